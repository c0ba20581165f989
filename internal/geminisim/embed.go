package geminisim

import (
	"fmt"
	"net/http"

	"fluxgate.dev/fluxgate/internal/geminisim/answers"
	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

const maxBatch = 100 // texts in one batch

// runEmbed takes embed requests from their checks to their vectors.
func (c *call) runEmbed(name, method string, reqs []wire.EmbedRequest) ([]answers.Embedding, *wire.Error) {
	m, err := c.modelFor(name, method)
	if err != nil {
		return nil, err
	}
	c.Model = m.Resolved
	switch n := len(reqs); {
	case n == 0:
		return nil, wire.InvalidArgument("* BatchEmbedContentsRequest.requests: at least one request is required\n")
	case n > maxBatch:
		return nil, wire.InvalidArgument(fmt.Sprintf("* BatchEmbedContentsRequest.requests: at most %d requests can be in one batch\n", maxBatch))
	}
	var tokens int64
	for i := range reqs {
		if err := reqs[i].Content.Normalise("content"); err != nil {
			return nil, err
		}
		// The real service truncates a text that is too long.
		tokens += min(reqs[i].Content.Tokens(), m.Input)
	}
	if err := c.admit(m, int64(len(reqs)), tokens); err != nil {
		return nil, err
	}
	if err := c.think(); err != nil {
		return nil, err
	}
	c.bill(&answers.Answer{})
	out := make([]answers.Embedding, len(reqs))
	for i := range reqs {
		out[i] = answers.Embed(&reqs[i])
	}
	return out, nil
}

func (c *call) embed() *wire.Error {
	var req wire.EmbedRequest
	if err := wire.Decode(c.Body, &req); err != nil {
		return err
	}
	out, err := c.runEmbed(c.route.model, c.method, []wire.EmbedRequest{req})
	if err != nil {
		return err
	}
	c.WriteJSON(http.StatusOK, wire.Encode(map[string]answers.Embedding{"embedding": out[0]}))
	return nil
}

func (c *call) batchEmbed() *wire.Error {
	var req wire.BatchEmbedRequest
	if err := wire.Decode(c.Body, &req); err != nil {
		return err
	}
	out, err := c.runEmbed(c.route.model, c.method, req.Requests)
	if err != nil {
		return err
	}
	c.WriteJSON(http.StatusOK, wire.Encode(map[string][]answers.Embedding{"embeddings": out}))
	return nil
}
