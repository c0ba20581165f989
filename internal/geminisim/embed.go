package geminisim

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"strings"

	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

const (
	embeddingSize = 3072 // numbers in an embedding unless the request asks for fewer
	maxBatch      = 100  // texts in one batch
)

type embedding struct {
	Values []float32 `json:"values"`
}

// vector returns a unit vector that depends on the text alone.
func vector(text string, size int) []float32 {
	if size <= 0 || size > embeddingSize {
		size = embeddingSize
	}
	sum := sha256.Sum256([]byte(text))
	rng := rand.New(rand.NewPCG(binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:16])))
	v := make([]float32, size)
	var norm float64
	for i := range v {
		x := rng.NormFloat64()
		v[i] = float32(x)
		norm += x * x
	}
	scale := float32(1 / math.Sqrt(norm))
	for i := range v {
		v[i] *= scale
	}
	return v
}

// embeddedText returns the text of the content to embed.
func embeddedText(c *wire.Content) string {
	var texts []string
	for _, p := range c.Parts {
		if p.Text != nil {
			texts = append(texts, *p.Text)
		}
	}
	return strings.Join(texts, "\n")
}

// runEmbed takes embed requests from their checks to their vectors.
func (c *call) runEmbed(name, method string, reqs []wire.EmbedRequest) ([]embedding, *wire.Error) {
	m, err := c.modelFor(name, method)
	if err != nil {
		return nil, err
	}
	c.model = m.resolved
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
		tokens += min(reqs[i].Content.Tokens(), m.input)
	}
	if err := c.admit(m, int64(len(reqs)), tokens); err != nil {
		return nil, err
	}
	if err := c.think(); err != nil {
		return nil, err
	}
	c.bill(&answer{})
	out := make([]embedding, len(reqs))
	for i := range reqs {
		out[i].Values = vector(embeddedText(&reqs[i].Content), max(reqs[i].OutputDimensionality, reqs[i].OutputDimensionalityS))
	}
	return out, nil
}

func (c *call) embed() *wire.Error {
	var req wire.EmbedRequest
	if err := wire.Decode(c.body, &req); err != nil {
		return err
	}
	out, err := c.runEmbed(c.route.model, c.method, []wire.EmbedRequest{req})
	if err != nil {
		return err
	}
	c.writeJSON(http.StatusOK, wire.Encode(map[string]embedding{"embedding": out[0]}))
	return nil
}

func (c *call) batchEmbed() *wire.Error {
	var req wire.BatchEmbedRequest
	if err := wire.Decode(c.body, &req); err != nil {
		return err
	}
	out, err := c.runEmbed(c.route.model, c.method, req.Requests)
	if err != nil {
		return err
	}
	c.writeJSON(http.StatusOK, wire.Encode(map[string][]embedding{"embeddings": out}))
	return nil
}
