package openaisim

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"sort"
	"time"
)

// batchTime is how long a batch takes here; the real ones take up to a day.
const batchTime = 10 * time.Second

// batch is a batch of requests. It has a quota of its own at the real service (documented),
// and costs none here.
type batch struct {
	project string
	ready   time.Time // when it is done
	answers []byte
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
	b := &batch{project: c.key.Project, ready: c.arrived.Add(batchTime), batchBody: batchBody{ID: c.s.id("batch_"), Object: "batch",
		Endpoint: in.Endpoint, InputFileID: f.ID, CompletionWindow: in.CompletionWindow, Status: "in_progress", CreatedAt: c.arrived.Unix(),
		ExpiresAt: c.arrived.Add(24 * time.Hour).Unix()}}
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
		a := p.answer(max(request.Body.MaxTokens, request.Body.MaxCompletionTokens))
		body := chatBody{ID: c.s.id("chatcmpl-"), Object: "chat.completion", Created: c.arrived.Unix(), Model: request.Body.Model,
			Choices: []chatChoice{{Message: a.reply(c.s, false), FinishReason: &a.finish}}, Usage: a.usage.chat()}
		b.answers = append(b.answers, encode(map[string]any{"id": c.s.id("batch_req_"), "custom_id": request.CustomID,
			"response": map[string]any{"status_code": http.StatusOK, "request_id": c.s.id("req_"), "body": body}, "error": nil})+"\n"...)
	}
	body := b.batchBody
	c.s.mu.Lock()
	c.s.batches[b.ID] = b
	c.s.mu.Unlock()
	c.write(http.StatusOK, body)
	return nil
}

// batch returns a batch of the caller's project as it is now: done if its time has come,
// cancelled if it is to be and isn't done.
func (c *call) batch(id string, cancel bool) (batchBody, *apiError) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	b := c.s.batches[id]
	if b == nil || b.project != c.key.Project {
		return batchBody{}, errNotFound("Batch", id)
	}
	switch {
	case b.Status != "in_progress":
	case !c.arrived.Before(b.ready):
		output := c.s.addFile(b.project, id+"_output.jsonl", "batch_output", b.answers).ID
		b.Status, b.OutputFileID, b.RequestCounts.Completed = "completed", &output, b.RequestCounts.Total
	case cancel:
		b.Status = "cancelled"
	}
	return b.batchBody, nil
}

func (c *call) answerBatch(cancel bool) *apiError {
	b, e := c.batch(c.r.PathValue("id"), cancel)
	if e != nil {
		return e
	}
	c.write(http.StatusOK, b)
	return nil
}

func (c *call) getBatch() *apiError { return c.answerBatch(false) }

func (c *call) cancelBatch() *apiError { return c.answerBatch(true) }

func (c *call) listBatches() *apiError {
	c.s.mu.Lock()
	out := []batchBody{}
	for _, b := range c.s.batches {
		if b.project == c.key.Project {
			out = append(out, b.batchBody)
		}
	}
	c.s.mu.Unlock()
	sort.Slice(out, func(i, j int) bool { return out[i].ID > out[j].ID }) // the newest first
	c.write(http.StatusOK, list[batchBody]{Object: "list", Data: out})
	return nil
}
