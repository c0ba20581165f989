package anthropicsim

import (
	"net/http"
	"time"

	"fluxgate.dev/fluxgate/internal/simserver"
)

// batchTime is how long a batch takes here; the real ones take up to a day.
const batchTime = 10 * time.Second

// batch is a batch of messages. It has a quota of its own at the real service (documented), and
// costs none here.
type batch struct {
	ready   time.Time // when it is done
	results string
	done    counts // what comes of it
	batchBody
}

type batchBody struct {
	ID               string  `json:"id"`
	Type             string  `json:"type"`
	ProcessingStatus string  `json:"processing_status"`
	RequestCounts    counts  `json:"request_counts"`
	EndedAt          *string `json:"ended_at"`
	CreatedAt        string  `json:"created_at"`
	ExpiresAt        string  `json:"expires_at"`
	CancelInitiated  *string `json:"cancel_initiated_at"`
	ResultsURL       *string `json:"results_url"`
}

type counts struct {
	Processing int `json:"processing"`
	Succeeded  int `json:"succeeded"`
	Errored    int `json:"errored"`
	Canceled   int `json:"canceled"`
	Expired    int `json:"expired"`
}

func (c *call) createBatch() *apiError {
	var in struct {
		Requests []struct {
			CustomID string          `json:"custom_id"`
			Params   messagesRequest `json:"params"`
		} `json:"requests"`
	}
	if e := c.decode(&in); e != nil {
		return e
	}
	if len(in.Requests) == 0 {
		return invalid("requests: List should have at least 1 item after validation, not 0")
	}
	b := batch{ready: c.Arrived.Add(batchTime), batchBody: batchBody{ID: c.s.id("msgbatch_"), Type: "message_batch",
		ProcessingStatus: "in_progress", RequestCounts: counts{Processing: len(in.Requests)},
		CreatedAt: c.Arrived.UTC().Format(time.RFC3339), ExpiresAt: c.Arrived.Add(24 * time.Hour).UTC().Format(time.RFC3339)}}
	for _, r := range in.Requests {
		var result map[string]any
		p, e := c.prompt(&r.Params)
		if e == nil {
			e = r.Params.bounded()
		}
		if e != nil {
			b.done.Errored++
			result = map[string]any{"type": "errored", "error": e.body(c.id)}
		} else {
			b.done.Succeeded++
			a := p.answer(*r.Params.MaxTokens)
			result = map[string]any{"type": "succeeded", "message": messageBody{ID: c.s.id("msg_"), Type: "message", Role: "assistant", Model: r.Params.Model,
				Content: []contentBlock{a.block(c.s)}, StopReason: &a.stop, Usage: messageUsage{InputTokens: p.count, OutputTokens: a.tokens(), ServiceTier: "batch"}}}
		}
		b.results += simserver.JSON(map[string]any{"custom_id": r.CustomID, "result": result}) + "\n"
	}
	c.s.batches.Add(c.Key.Project, b.ID, b)
	c.Write(http.StatusOK, b.batchBody)
	return nil
}

// run has a batch be done if its time has come.
func (b *batch) run(now time.Time) {
	if b.ProcessingStatus == "ended" || now.Before(b.ready) {
		return
	}
	url := "https://api.anthropic.com/v1/messages/batches/" + b.ID + "/results"
	ended := now.UTC().Format(time.RFC3339)
	if b.ProcessingStatus == "canceling" {
		b.done = counts{Canceled: b.RequestCounts.Processing}
		b.results = ""
	}
	b.RequestCounts = b.done
	b.ProcessingStatus, b.EndedAt, b.ResultsURL = "ended", &ended, &url
}

// batch returns a batch of the caller's project as it is now, after change, if there is any.
func (c *call) batch(change func(*batch)) (batch, *apiError) {
	id := c.R.PathValue("id")
	b, ok := c.s.batches.Change(c.Key.Project, id, func(b *batch) {
		b.run(c.Arrived)
		if change != nil {
			change(b)
		}
	})
	if !ok {
		return b, &apiError{http.StatusNotFound, "not_found_error", "Message batch " + id + " not found.", nil}
	}
	return b, nil
}

func (c *call) getBatch() *apiError {
	b, e := c.batch(nil)
	if e != nil {
		return e
	}
	c.Write(http.StatusOK, b.batchBody)
	return nil
}

func (c *call) cancelBatch() *apiError {
	b, e := c.batch(func(b *batch) {
		if b.ProcessingStatus == "in_progress" {
			now := c.Arrived.UTC().Format(time.RFC3339)
			b.ProcessingStatus, b.CancelInitiated = "canceling", &now
		}
	})
	if e != nil {
		return e
	}
	c.Write(http.StatusOK, b.batchBody)
	return nil
}

func (c *call) batchResults() *apiError {
	b, e := c.batch(nil)
	if e != nil {
		return e
	}
	if b.ProcessingStatus != "ended" {
		return &apiError{http.StatusNotFound, "not_found_error", "Message batch " + b.ID + " has no available results.", nil}
	}
	c.WriteRaw(http.StatusOK, "application/x-jsonl", []byte(b.results))
	return nil
}

func (c *call) deleteBatch() *apiError {
	b, e := c.batch(nil)
	switch {
	case e != nil:
		return e
	case b.ProcessingStatus != "ended":
		return invalid("Message batch " + b.ID + " cannot be deleted while it is in progress.")
	}
	c.s.batches.Delete(c.Key.Project, b.ID)
	c.Write(http.StatusOK, map[string]string{"id": b.ID, "type": "message_batch_deleted"})
	return nil
}

func (c *call) listBatches() *apiError {
	out := list[batchBody]{Data: []batchBody{}}
	c.s.batches.Each(c.Key.Project, func(b *batch) {
		b.run(c.Arrived)
		out.Data = append(out.Data, b.batchBody)
	})
	if n := len(out.Data); n > 0 {
		out.FirstID, out.LastID = &out.Data[0].ID, &out.Data[n-1].ID
	}
	c.Write(http.StatusOK, out)
	return nil
}
