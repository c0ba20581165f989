package longrunning

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// maxBatches is how many may be under way in a project.
	// https://ai.google.dev/gemini-api/docs/rate-limits#batch-mode
	maxBatches   = 100
	pendingTime  = time.Second
	runningUntil = 2 * time.Second
)

// A batch is one job.
type batch struct {
	id, project, model, method string
	display                    string
	created                    time.Time
	cancelled                  time.Time
	requests                   []batched
	fromFile                   bool
	output                     object // once it is over
}

// A batched is one request of a batch.
type batched struct {
	Key      string          `json:"key"`
	Request  json.RawMessage `json:"request"`
	Metadata json.RawMessage `json:"metadata"`
}

// CreateBatch serves batchGenerateContent and asyncBatchEmbedContent of a model.
func (s *Service) CreateBatch(r Request, model string) Answer {
	var in struct {
		Batch struct {
			DisplayName string
			InputConfig struct {
				FileName string
				Requests struct{ Requests []batched }
			}
		}
	}
	if read(r.Body, &in) != nil {
		return invalid("Invalid JSON payload received.")
	}
	b := &batch{project: r.Project, model: model, method: "generateContent", display: in.Batch.DisplayName, requests: in.Batch.InputConfig.Requests.Requests}
	if r.Call == "asyncBatchEmbedContent" {
		b.method = "embedContent"
	}
	if name := in.Batch.InputConfig.FileName; name != "" {
		content, ok := s.host.Content(r.Project, strings.TrimPrefix(name, "files/"))
		if !ok {
			return denied("File " + name)
		}
		b.fromFile = true
		for line := range bytes.Lines(content) {
			var x batched
			if line = bytes.TrimSpace(line); len(line) == 0 {
				continue
			}
			if json.Unmarshal(line, &x) != nil || len(x.Request) == 0 {
				return invalid("A line of %s is no request.", name)
			}
			b.requests = append(b.requests, x)
		}
	}
	if len(b.requests) == 0 {
		return invalid("The batch has no requests.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.host.Now()
	running := 0
	for _, other := range s.batches {
		if other.project == r.Project && !other.over(now) {
			running++
		}
	}
	if running >= maxBatches {
		return Answer{Code: http.StatusTooManyRequests, Status: "RESOURCE_EXHAUSTED", Message: "Resource has been exhausted (e.g. check quota)."}
	}
	b.id, b.created = s.host.NewID(32), now
	s.batches = append(s.batches, b)
	return ok(s.viewBatch(b))
}

func (b *batch) over(now time.Time) bool {
	return b.state(now) != "PENDING" && b.state(now) != "RUNNING"
}

func (b *batch) state(now time.Time) string {
	switch {
	case !b.cancelled.IsZero():
		return "CANCELLED"
	case now.Before(b.created.Add(pendingTime)):
		return "PENDING"
	case now.Before(b.created.Add(runningUntil)):
		return "RUNNING"
	}
	return "SUCCEEDED"
}

// serveBatch serves what is below batches. The caller holds s.mu.
func (s *Service) serveBatch(r Request, path []string) Answer {
	mine := func(b *batch) bool { return b.project == r.Project }
	if len(path) == 0 {
		var all []*batch
		for _, b := range s.batches {
			if mine(b) {
				all = append(all, b)
			}
		}
		return page(r, "operations", all, func(b *batch) any { return s.viewBatch(b) })
	}
	at := slices.IndexFunc(s.batches, func(b *batch) bool { return mine(b) && b.id == path[0] })
	if at < 0 || len(path) > 1 {
		return notFound("batches/" + path[0])
	}
	b := s.batches[at]
	switch {
	case r.Method == http.MethodGet && r.Call == "":
		return ok(s.viewBatch(b))
	case r.Method == http.MethodDelete && r.Call == "":
		s.batches = slices.Delete(s.batches, at, at+1)
		return ok(object{})
	case r.Method == http.MethodPost && r.Call == "cancel":
		if now := s.host.Now(); !b.over(now) {
			b.cancelled = now
		}
		return ok(object{})
	}
	return notFound(r.Path + ":" + r.Call)
}

// viewBatch returns a batch as an operation.
func (s *Service) viewBatch(b *batch) object {
	now := s.host.Now()
	state := b.state(now)
	count := strconv.Itoa(len(b.requests))
	stats := object{"requestCount": count}
	metadata := object{
		"@type": "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch", "name": "batches/" + b.id,
		"model": "models/" + b.model, "displayName": b.display, "state": "BATCH_STATE_" + state,
		"createTime": timestamp(b.created), "updateTime": timestamp(now), "batchStats": stats,
	}
	out := object{"name": "batches/" + b.id, "metadata": metadata}
	switch state {
	case "SUCCEEDED":
		if b.output == nil {
			b.output = s.runBatch(b)
		}
		stats["successfulRequestCount"] = count
		metadata["endTime"], metadata["output"] = timestamp(b.created.Add(runningUntil)), b.output
		out["done"], out["response"] = true, b.output
	case "CANCELLED":
		metadata["endTime"] = timestamp(b.cancelled)
		out["done"], out["error"] = true, object{"code": 1, "message": "The operation was cancelled."}
	default:
		stats["pendingRequestCount"] = count
	}
	return out
}

// runBatch answers the requests of a batch.
func (s *Service) runBatch(b *batch) object {
	var list []any
	for _, x := range b.requests {
		answer, failed := s.host.Reply(b.project, b.model, b.method, x.Request)
		out := object{}
		if x.Key != "" {
			out["key"] = x.Key
		}
		if len(x.Metadata) > 0 {
			out["metadata"] = x.Metadata
		}
		if failed {
			out["error"] = json.RawMessage(answer)
		} else {
			out["response"] = json.RawMessage(answer)
		}
		list = append(list, out)
	}
	if !b.fromFile {
		member := "inlinedResponses"
		if b.method == "embedContent" {
			member = "inlinedEmbedContentResponses"
		}
		return object{member: object{"inlinedResponses": list}}
	}
	var lines bytes.Buffer
	for _, x := range list {
		line, _ := json.Marshal(x) // of what was read from JSON
		lines.Write(append(line, '\n'))
	}
	id := "batch-" + b.id
	s.host.Keep(b.project, id, "application/jsonl", lines.Bytes())
	return object{"responsesFile": "files/" + id}
}
