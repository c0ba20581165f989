package policy

import (
	"encoding/json"
	"fmt"
	"google.golang.org/genai"
	"strings"

	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/scheduler"
)

// maxName bounds what is kept of a name, in bytes.
const maxName = 64

// maxOutput bounds the answer, in tokens. Sixteen models take some 800; the rest is for the thinking of models that can't
// do without, which counts as output.
const maxOutput = 8192

// limitsRequest returns the request for the limits of the models, without a model of its own.
func limitsRequest(models []string) upstream.Prompt {
	var temperature float32
	nullable := true
	entry := &genai.Schema{Type: "OBJECT", Properties: map[string]*genai.Schema{
		"model": {Type: "STRING", Enum: models},
	}, PropertyOrdering: []string{"model"}}
	for _, f := range fields {
		// Required, so that none is left out for brevity; nullable, so that none has to be made up.
		entry.Properties[f.name] = &genai.Schema{Type: "INTEGER", Nullable: &nullable}
		entry.PropertyOrdering = append(entry.PropertyOrdering, f.name)
	}
	entry.Required = entry.PropertyOrdering
	return upstream.Prompt{
		Pieces: []payload.Piece{{Text: fmt.Sprintf(
			"What are the current rate limits of the Gemini API's free tier, per project, for these models: %s?\n"+
				"For each of them give requests_per_minute, tokens_per_minute (input tokens) and requests_per_day as integers. "+
				"Use the names as they stand here. Give null for a number that you don't know.",
			strings.Join(models, ", "))}},
		MaxOutputTokens: maxOutput,
		Temperature:     &temperature,
		Schema: &genai.Schema{Type: "OBJECT", Required: []string{"models"},
			Properties: map[string]*genai.Schema{"models": {Type: "ARRAY", Items: entry}}},
	}
}

// TokenBound returns an upper bound of the input tokens of a request that [Keeper.Refresh] hands to Options.Ask: one for
// every byte of its text and its schema. It is small enough not to be counted first, and the schema counts as input,
// which upstream.Provider.CountPrompt leaves out.
func TokenBound(r upstream.Prompt) int64 {
	n := len(r.System.Text)
	for _, p := range r.Pieces {
		n += len(p.Text)
	}
	schema, _ := json.Marshal(r.Schema) // strings and numbers can't fail
	return int64(n + len(schema))
}

// modelsToAsk returns the models to ask for: those of the chain, as many as a project can have.
func modelsToAsk(chain []string) []string {
	if len(chain) == 0 {
		chain = scheduler.DefaultChain()
	}
	return chain[:min(len(chain), scheduler.MaxModels)]
}
