package openaisim

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"time"

	"fluxgate.dev/fluxgate/internal/simserver"
)

// batchTime is how long a batch takes here; the real ones take up to a day.
const batchTime = 10 * time.Second

// batch is a batch of requests. It has a quota of its own at the real service (documented),
// and costs none here.
type batch struct {
	ready           time.Time // when it is done
	answers, errors []byte    // lines of the files that it has then
	failed          int       // how many lines errors has
	batchBody
}

type batchBody struct {
	ID               string  `json:"id"`
	Object           string  `json:"object"`
	Endpoint         string  `json:"endpoint"`
	InputFileID      string  `json:"input_file_id"`
	CompletionWindow string  `json:"completion_window"`
	Status           string  `json:"status"`
	OutputFileID     *string `json:"output_file_id"`
	ErrorFileID      *string `json:"error_file_id"`
	CreatedAt        int64   `json:"created_at"`
	ExpiresAt        int64   `json:"expires_at"`
	RequestCounts    struct {
		Total     int `json:"total"`
		Completed int `json:"completed"`
		Failed    int `json:"failed"`
	} `json:"request_counts"`
}

func (c *call) createBatch() *apiError {
	var in struct {
		InputFileID      string `json:"input_file_id"`
		Endpoint         string `json:"endpoint"`
		CompletionWindow string `json:"completion_window"`
	}
	if e := c.decode(&in); e != nil {
		return e
	}
	f, e := c.file(in.InputFileID)
	if e != nil {
		return e
	}
	b := batch{ready: c.Arrived.Add(batchTime), batchBody: batchBody{ID: c.s.id("batch_"), Object: "batch",
		Endpoint: in.Endpoint, InputFileID: f.ID, CompletionWindow: in.CompletionWindow, Status: "in_progress", CreatedAt: c.Arrived.Unix(),
		ExpiresAt: c.Arrived.Add(24 * time.Hour).Unix()}}
	lines := bufio.NewScanner(bytes.NewReader(f.data))
	lines.Buffer(nil, len(f.data)+1)
	for lines.Scan() {
		var request struct {
			CustomID string      `json:"custom_id"`
			Body     chatRequest `json:"body"`
		}
		if len(lines.Bytes()) == 0 || json.Unmarshal(lines.Bytes(), &request) != nil {
			continue
		}
		b.RequestCounts.Total++
		var p prompt
		for _, m := range request.Body.Messages {
			p.message(m.Role, m.Content)
		}
		answer := func(status int, body any) string {
			return simserver.JSON(map[string]any{"id": c.s.id("batch_req_"), "custom_id": request.CustomID,
				"response": map[string]any{"status_code": status, "request_id": c.s.id("req_"), "body": body}, "error": nil}) + "\n"
		}
		if e := c.mentioned(p.files); e != nil {
			b.failed++
			b.errors = append(b.errors, answer(e.Status, e.body())...)
			continue
		}
		a := p.answer(max(request.Body.MaxTokens, request.Body.MaxCompletionTokens))
		body := chatBody{ID: c.s.id("chatcmpl-"), Object: "chat.completion", Created: c.Arrived.Unix(), Model: request.Body.Model,
			Choices: []chatChoice{{Message: a.reply(c.s, false), FinishReason: &a.finish}}, Usage: a.usage.chat()}
		b.answers = append(b.answers, answer(http.StatusOK, body)...)
	}
	c.s.batches.Add(c.Key.Project, b.ID, b)
	c.Write(http.StatusOK, b.batchBody)
	return nil
}

// run has a batch be done if its time has come.
func (c *call) run(b *batch) {
	if b.Status != "in_progress" || c.Arrived.Before(b.ready) {
		return
	}
	file := func(name string, data []byte) *string {
		id := c.s.addFile(c.Key.Project, b.ID+name, "batch_output", data).ID
		return &id
	}
	b.Status, b.OutputFileID = "completed", file("_output.jsonl", b.answers)
	if b.failed > 0 {
		b.ErrorFileID = file("_error.jsonl", b.errors)
	}
	b.RequestCounts.Completed, b.RequestCounts.Failed = b.RequestCounts.Total-b.failed, b.failed
}

// answerBatch answers with a batch of the caller's project as it is now: cancelled if it is to be
// and isn't done.
func (c *call) answerBatch(cancel bool) *apiError {
	id := c.R.PathValue("id")
	b, ok := c.s.batches.Change(c.Key.Project, id, func(b *batch) {
		c.run(b)
		if cancel && b.Status == "in_progress" {
			b.Status = "cancelled"
		}
	})
	if !ok {
		return errNotFound("Batch", id)
	}
	c.Write(http.StatusOK, b.batchBody)
	return nil
}

func (c *call) getBatch() *apiError { return c.answerBatch(false) }

func (c *call) cancelBatch() *apiError { return c.answerBatch(true) }

func (c *call) listBatches() *apiError {
	out := []batchBody{}
	c.s.batches.Each(c.Key.Project, func(b *batch) {
		c.run(b)
		out = append(out, b.batchBody)
	})
	c.Write(http.StatusOK, list[batchBody]{Object: "list", Data: out})
	return nil
}
