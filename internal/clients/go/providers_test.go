package clients

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
)

const claude = "claude-sonnet-5"

func need(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Skip(name + " is not set: go test ./internal/clients sets it")
	}
	return value
}

func client(t *testing.T, more ...option.RequestOption) anthropic.Client {
	t.Helper()
	return anthropic.NewClient(append([]option.RequestOption{
		option.WithBaseURL(need(t, "FLUXGATE_URL") + "/anthropic"), option.WithAPIKey(need(t, "FLUXGATE_TOKEN")),
	}, more...)...)
}

func said(text string) []anthropic.MessageParam {
	return []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(text))}
}

func params(model, text string) anthropic.MessageNewParams {
	return anthropic.MessageNewParams{Model: model, MaxTokens: 99, Messages: said(text)}
}

// ask asks for an answer, which has to come.
func ask(t *testing.T, c anthropic.Client, model, text string) {
	t.Helper()
	answer, err := c.Messages.New(t.Context(), params(model, text))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := answer.Content[0].Text, "Answer to: "+text; got != want || answer.Usage.InputTokens == 0 {
		t.Fatalf("%q with %d tokens of input, want %q", got, answer.Usage.InputTokens, want)
	}
}

// post tells the world what is to happen.
func post(t *testing.T, url string) {
	t.Helper()
	resp, err := http.Post(url, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", url, resp.Status)
	}
}

func TestMessage(t *testing.T) { ask(t, client(t), claude, "Hello over there") }

// stream reads a message in pieces.
func stream(t *testing.T, p anthropic.MessageNewParams) anthropic.Message {
	t.Helper()
	c := client(t)
	events, answer := c.Messages.NewStreaming(t.Context(), p), anthropic.Message{}
	for events.Next() {
		if err := answer.Accumulate(events.Current()); err != nil {
			t.Fatal(err)
		}
	}
	if err := events.Err(); err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestStream(t *testing.T) {
	answer := stream(t, params(claude, "Hello in pieces"))
	if got := answer.Content[0].Text; got != "Answer to: Hello in pieces" || answer.Usage.OutputTokens == 0 {
		t.Fatalf("%q with %d tokens of output", got, answer.Usage.OutputTokens)
	}
}

func TestTool(t *testing.T) {
	p := params(claude, "call f")
	p.Tools = []anthropic.ToolUnionParam{anthropic.ToolUnionParamOfTool(anthropic.ToolInputSchemaParam{}, "f")}
	for _, block := range stream(t, p).Content {
		if block.Type == "tool_use" && block.Name == "f" {
			return
		}
	}
	t.Fatal("the tool isn't called")
}

func TestCount(t *testing.T) {
	c := client(t)
	counted, err := c.Messages.CountTokens(t.Context(), anthropic.MessageCountTokensParams{Model: claude, Messages: said("How many?")})
	if err != nil || counted.InputTokens == 0 {
		t.Fatal(counted, err)
	}
}

func TestModels(t *testing.T) {
	c := client(t)
	all := c.Models.ListAutoPaging(t.Context(), anthropic.ModelListParams{})
	for all.Next() {
		if all.Current().ID == claude {
			return
		}
	}
	t.Fatal(claude+" isn't listed", all.Err())
}

// What is uploaded is found again, mentioned and deleted, whichever of two organisations has it.
func TestFiles(t *testing.T) {
	c := client(t)
	for range 4 {
		made, err := c.Beta.Files.Upload(t.Context(), anthropic.BetaFileUploadParams{
			File: anthropic.File(bytes.NewReader([]byte("content")), "a.txt", "text/plain"), Betas: []anthropic.AnthropicBeta{anthropic.AnthropicBetaFilesAPI2025_04_14},
		})
		if err != nil {
			t.Fatal(err)
		}
		if found, err := c.Beta.Files.GetMetadata(t.Context(), made.ID, anthropic.BetaFileGetMetadataParams{}); err != nil || found.Filename != "a.txt" {
			t.Fatal(found, err)
		}
		listed := false
		for all := c.Beta.Files.ListAutoPaging(t.Context(), anthropic.BetaFileListParams{Limit: anthropic.Int(1)}); all.Next(); {
			listed = listed || all.Current().ID == made.ID
		}
		if !listed {
			t.Fatal("it isn't listed")
		}
		answer, err := c.Beta.Messages.New(t.Context(), anthropic.BetaMessageNewParams{
			Model: claude, MaxTokens: 99, Betas: []anthropic.AnthropicBeta{anthropic.AnthropicBetaFilesAPI2025_04_14},
			Messages: []anthropic.BetaMessageParam{anthropic.NewBetaUserMessage(
				anthropic.NewBetaDocumentBlock(anthropic.BetaFileDocumentSourceParam{FileID: made.ID}), anthropic.NewBetaTextBlock("Hello"))},
		})
		if err != nil || answer.Content[0].Text != "Answer to: Hello" {
			t.Fatal(answer, err)
		}
		if _, err := c.Beta.Files.Delete(t.Context(), made.ID, anthropic.BetaFileDeleteParams{}); err != nil {
			t.Fatal(err)
		}
		var refused *anthropic.Error
		if _, err := c.Beta.Files.GetMetadata(t.Context(), made.ID, anthropic.BetaFileGetMetadataParams{}); !errors.As(err, &refused) || refused.StatusCode != http.StatusNotFound {
			t.Fatal("it is still there", err)
		}
	}
}

func TestBatches(t *testing.T) {
	c := client(t)
	made, err := c.Messages.Batches.New(t.Context(), anthropic.MessageBatchNewParams{Requests: []anthropic.MessageBatchNewParamsRequest{{
		CustomID: "one", Params: anthropic.MessageBatchNewParamsRequestParams{Model: claude, MaxTokens: 99, Messages: said("Hello")},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	post(t, need(t, "CLIENTS_FAULTS_URL")+"/later")
	if done, err := c.Messages.Batches.Get(t.Context(), made.ID, anthropic.MessageBatchGetParams{}); err != nil || !strings.HasPrefix(done.ResultsURL, need(t, "FLUXGATE_URL")) {
		t.Fatal(done, err)
	}
	results := c.Messages.Batches.ResultsStreaming(t.Context(), made.ID, anthropic.MessageBatchResultsParams{})
	n := 0
	for results.Next() {
		if got := results.Current().Result.Message.Content[0].Text; got != "Answer to: Hello" {
			t.Fatal(got)
		}
		n++
	}
	if results.Err() != nil || n != 1 {
		t.Fatal(n, results.Err())
	}
}

// The SDK comes back when it is told to.
func TestWait(t *testing.T) {
	model := need(t, "CLIENTS_BUSY_MESSAGES")
	post(t, need(t, "CLIENTS_CONTROL_URL")+"/busy?model="+model)
	var waits []time.Duration
	start := time.Now()
	ask(t, client(t, option.WithMiddleware(func(r *http.Request, next option.MiddlewareNext) (*http.Response, error) {
		resp, err := next(r)
		if err == nil && resp.StatusCode == http.StatusTooManyRequests {
			ms, _ := strconv.Atoi(cmp.Or(resp.Header.Get("Retry-After-Ms"), "0"))
			waits = append(waits, time.Duration(ms)*time.Millisecond)
		}
		return resp, err
	})), model, "After the wait")
	if took := time.Since(start); len(waits) != 1 || took < waits[0] {
		t.Fatalf("it took %s, and was told %v", took, waits)
	}
}

// Nobody has an answer; the SDK asks again by itself.
func TestOverloaded(t *testing.T) {
	post(t, need(t, "CLIENTS_FAULTS_URL")+"/overload")
	ask(t, client(t), claude, "After 529")
	post(t, need(t, "CLIENTS_FAULTS_URL")+"/overload")
	c := client(t, option.WithMaxRetries(0))
	_, err := c.Messages.New(t.Context(), params(claude, "No second time"))
	var refused *anthropic.Error
	if !errors.As(err, &refused) || refused.StatusCode != 529 {
		t.Fatal(err)
	}
	var body struct{ Error struct{ Type string } }
	if json.Unmarshal([]byte(refused.RawJSON()), &body) != nil || body.Error.Type != "overloaded_error" {
		t.Fatal(refused.RawJSON())
	}
}

// The last, for it takes a key away.
func TestRevokedKey(t *testing.T) {
	post(t, need(t, "CLIENTS_FAULTS_URL")+"/revoke")
	for range 4 {
		ask(t, client(t), claude, "Without one key")
	}
	stranger := anthropic.NewClient(option.WithBaseURL(need(t, "FLUXGATE_URL")+"/anthropic"), option.WithAPIKey("nobody"), option.WithMaxRetries(0))
	_, err := stranger.Messages.New(t.Context(), params(claude, "Who is it?"))
	var refused *anthropic.Error
	if !errors.As(err, &refused) || refused.StatusCode != http.StatusUnauthorized {
		t.Fatal(err)
	}
}
