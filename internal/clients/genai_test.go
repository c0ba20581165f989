package clients

import (
	"encoding/base64"
	"encoding/json"
	"iter"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/genai"
	"google.golang.org/genai/interactions/models/interactions"
	"google.golang.org/genai/interactions/models/operations"

	"fluxgate.dev/fluxgate/internal/geminisim"
)

// pixel is an image of one pixel, and imageTokens what Gemini counts for it.
const (
	pixel       = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
	imageTokens = 258
	// atOnce bounds how long a client may take to report what it doesn't retry.
	atOnce = 5 * time.Second
)

var long = strings.TrimSpace(strings.Repeat("The quick brown fox jumps over the lazy dog, and then it rests for a while. ", 20))

// TestGo drives Google's own SDK for Go.
func TestGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := &goClient{Client: w.client(t, token, nil), w: w}
	t.Run("generate", c.generate)
	t.Run("stream", c.stream)
	t.Run("count tokens", c.count)
	t.Run("embed", c.embed)
	t.Run("models", c.models)
	t.Run("tool call", c.tool)
	t.Run("image", c.image)
	t.Run("interactions", c.interactions)
	t.Run("a wait that the Interactions API's client sits out", c.interactionsWait)
	t.Run("a batch to its result file", c.batch)
	t.Run("a file search store, an upload and a question", c.store)
	t.Run("a video to its end", c.video)
	t.Run("a 429 that a retry turns into success", c.retry)
	t.Run("a spent day is reported at once", c.spentDay)
	t.Run("a wrong token is refused", c.wrongToken)
	w.requireCalm(t)
}

// A goClient is the SDK, pointed at a world.
type goClient struct {
	*genai.Client
	w *world
}

func (w *world) client(t *testing.T, key string, retry *genai.HTTPRetryOptions) *genai.Client {
	t.Helper()
	client, err := genai.NewClient(t.Context(), &genai.ClientConfig{
		APIKey: key, Backend: genai.BackendGeminiAPI,
		HTTPOptions: genai.HTTPOptions{BaseURL: w.url, RetryOptions: retry},
	})
	require.NoError(t, err)
	return client
}

func (c *goClient) generate(t *testing.T) {
	for _, model := range []string{roomy, auto} {
		response, err := c.Models.GenerateContent(t.Context(), model, genai.Text("Hello over there"), &genai.GenerateContentConfig{
			SystemInstruction: genai.NewContentFromText("Be brief.", genai.RoleUser), Temperature: genai.Ptr[float32](0.5),
		})
		require.NoError(t, err, model)
		assert.Equal(t, geminisim.Translate("Hello over there"), response.Text())
		assert.Equal(t, roomy, response.ModelVersion, "the chain is one model")
		assert.Positive(t, response.UsageMetadata.PromptTokenCount)
	}
}

// collect reads a stream and returns its text and the number of its events.
func collect(t *testing.T, events iter.Seq2[*genai.GenerateContentResponse, error]) (string, int) {
	t.Helper()
	var text strings.Builder
	n := 0
	for event, err := range events {
		require.NoError(t, err)
		text.WriteString(event.Text())
		n++
	}
	return text.String(), n
}

func (c *goClient) stream(t *testing.T) {
	text, n := collect(t, c.Models.GenerateContentStream(t.Context(), roomy, genai.Text(long), nil))
	assert.Equal(t, geminisim.Translate(long), text)
	assert.Greater(t, n, 1, "the answer came in one piece")
}

func (c *goClient) count(t *testing.T) {
	few, err := c.Models.CountTokens(t.Context(), roomy, genai.Text("Hello"), nil)
	require.NoError(t, err)
	many, err := c.Models.CountTokens(t.Context(), roomy, genai.Text(long), nil)
	require.NoError(t, err)
	assert.Positive(t, few.TotalTokens)
	assert.Greater(t, many.TotalTokens, few.TotalTokens)
}

func (c *goClient) embed(t *testing.T) {
	vectors := func(texts ...string) [][]float32 {
		var contents []*genai.Content
		for _, text := range texts {
			contents = append(contents, genai.NewContentFromText(text, genai.RoleUser))
		}
		response, err := c.Models.EmbedContent(t.Context(), embedding, contents, &genai.EmbedContentConfig{OutputDimensionality: genai.Ptr[int32](8)})
		require.NoError(t, err)
		var out [][]float32
		for _, e := range response.Embeddings {
			out = append(out, e.Values)
		}
		return out
	}
	both := vectors("red", "blue")
	require.Len(t, both, 2)
	assert.Len(t, both[0], 8)
	assert.Equal(t, vectors("red")[0], both[0])
	assert.NotEqual(t, both[0], both[1])
}

func (c *goClient) models(t *testing.T) {
	var names []string
	for model, err := range c.Models.All(t.Context()) {
		require.NoError(t, err)
		names = append(names, model.Name)
	}
	assert.Subset(t, names, []string{"models/" + auto, "models/" + roomy, "models/" + embedding})

	page, err := c.Models.List(t.Context(), &genai.ListModelsConfig{PageSize: 3})
	require.NoError(t, err)
	assert.NotEmpty(t, page.NextPageToken)

	model, err := c.Models.Get(t.Context(), roomy, nil)
	require.NoError(t, err)
	assert.Equal(t, "models/"+roomy, model.Name)
}

// interactions has a conversation of three turns, the last of them in events, and one in the background.
func (c *goClient) interactions(t *testing.T) {
	create := func(in interactions.CreateModelInteraction) *operations.CreateInteractionResponse {
		t.Helper()
		made, err := c.Interactions.Create(t.Context(), operations.CreateInteractionRequest{Body: operations.NewCreateInteractionRequestBody(in)})
		require.NoError(t, err)
		return made
	}
	say := func(text string, previous *string) interactions.CreateModelInteraction {
		return interactions.CreateModelInteraction{Model: roomy, Input: genai.Ptr(interactions.NewInteractionsInput(text)), PreviousInteractionID: previous}
	}
	first := create(say("Hello", nil)).Interaction
	second := create(say("and then?", first.ID)).Interaction
	require.NotNil(t, second.OutputText)
	assert.Equal(t, geminisim.Translate("and then?"), *second.OutputText)
	assert.Greater(t, *second.Usage.TotalInputTokens, *first.Usage.TotalInputTokens+3)

	third := say("and in the end?", second.ID)
	third.Stream = genai.Ptr(true)
	events := create(third).InteractionSSEStreamEvent
	require.NotNil(t, events)
	var text strings.Builder
	for events.Next() {
		if delta := events.Value().GetDataStepDelta(); delta != nil && delta.GetDeltaText() != nil {
			text.WriteString(delta.GetDeltaText().GetText())
		}
	}
	require.NoError(t, events.Err())
	require.NoError(t, events.Close())
	assert.Equal(t, geminisim.Translate("and in the end?"), text.String())

	behind := say("take your time", nil)
	behind.Background = genai.Ptr(true)
	long := create(behind).Interaction
	assert.Equal(t, interactions.InteractionStatusInProgress, long.Status)
	stopped, err := c.Interactions.Cancel(t.Context(), operations.CancelInteractionByIDRequest{ID: *long.ID})
	require.NoError(t, err)
	assert.Equal(t, interactions.InteractionStatusCancelled, stopped.Interaction.Status)
	read, err := c.Interactions.Get(t.Context(), operations.GetInteractionByIDRequest{ID: *second.ID})
	require.NoError(t, err)
	assert.Equal(t, *second.OutputText, *read.Interaction.OutputText)
	_, err = c.Interactions.Delete(t.Context(), operations.DeleteInteractionRequest{ID: *second.ID})
	require.NoError(t, err)
	_, err = c.Interactions.Get(t.Context(), operations.GetInteractionByIDRequest{ID: *second.ID})
	assert.ErrorContains(t, err, "not_found", "in the SDK's own terms")
}

// The SDK's client of the Interactions API retries by itself, when Retry-After says: so it comes
// back once, and is answered.
func (c *goClient) interactionsWait(t *testing.T) {
	if testing.Short() {
		t.Skip("the SDK waits in real time, which -short leaves out")
	}
	c.w.arm(busy)
	before := len(c.w.answers.list())
	made, err := c.Interactions.Create(t.Context(), operations.CreateInteractionRequest{Body: operations.NewCreateInteractionRequestBody(
		interactions.CreateModelInteraction{Model: busy, Input: genai.Ptr(interactions.NewInteractionsInput("Patience"))})})
	require.NoError(t, err)
	assert.Equal(t, geminisim.Translate("Patience"), *made.Interaction.OutputText)
	var statuses []int
	for _, a := range c.w.answers.list()[before:] {
		statuses = append(statuses, a.Status)
	}
	assert.Equal(t, []int{http.StatusTooManyRequests, http.StatusOK}, statuses)
}

func (c *goClient) tool(t *testing.T) {
	config := &genai.GenerateContentConfig{Tools: []*genai.Tool{{FunctionDeclarations: []*genai.FunctionDeclaration{{
		Name: "get_weather", Description: "The weather in a city.",
		Parameters: &genai.Schema{Type: genai.TypeObject, Properties: map[string]*genai.Schema{"city": {Type: genai.TypeString}}},
	}}}}}
	chat, err := c.Chats.Create(t.Context(), roomy, config, nil)
	require.NoError(t, err)
	first, err := chat.SendMessage(t.Context(), genai.Part{Text: "Please call get_weather"})
	require.NoError(t, err)
	require.Len(t, first.FunctionCalls(), 1)
	call := first.FunctionCalls()[0]
	assert.Equal(t, "get_weather", call.Name)
	assert.Equal(t, map[string]any{"city": "city"}, call.Args)
	second, err := chat.SendMessage(t.Context(), *genai.NewPartFromFunctionResponse(call.Name, map[string]any{"output": "rain"}))
	require.NoError(t, err)
	assert.Contains(t, second.Text(), geminisim.Translate("rain"))
}

func (c *goClient) image(t *testing.T) {
	raw, err := base64.StdEncoding.DecodeString(pixel)
	require.NoError(t, err)
	contents := []*genai.Content{genai.NewContentFromParts([]*genai.Part{
		genai.NewPartFromText("What is it?"), genai.NewPartFromBytes(raw, "image/png"),
	}, genai.RoleUser)}
	response, err := c.Models.GenerateContent(t.Context(), roomy, contents, nil)
	require.NoError(t, err)
	assert.Equal(t, geminisim.Translate("What is it?"), response.Text())
	assert.GreaterOrEqual(t, response.UsageMetadata.PromptTokenCount, int32(imageTokens), "the image was not counted")
}

// Without RetryOptions the SDK never retries. With them it backs off at its own
// pace and looks at no header, so it may be refused more than once.
func (c *goClient) retry(t *testing.T) {
	if testing.Short() {
		t.Skip("the SDK waits in real time, which -short leaves out")
	}
	patient := c.w.client(t, token, &genai.HTTPRetryOptions{})
	calls := map[string]func() string{
		"at once": func() string {
			response, err := patient.Models.GenerateContent(t.Context(), busy, genai.Text(long), nil)
			require.NoError(t, err)
			return response.Text()
		},
		"stream": func() string {
			text, _ := collect(t, patient.Models.GenerateContentStream(t.Context(), busy, genai.Text(long), nil))
			return text
		},
	}
	for name, call := range calls {
		c.w.arm(busy)
		before := len(c.w.answers.list())
		assert.Equal(t, geminisim.Translate(long), call(), name)
		list := c.w.answers.list()[before:]
		require.NotEmpty(t, list)
		assert.Equal(t, http.StatusTooManyRequests, list[0].Status, name)
		assert.Equal(t, http.StatusOK, list[len(list)-1].Status, name)
	}
}

func (c *goClient) spentDay(t *testing.T) {
	before := len(c.w.answers.list())
	start := time.Now()
	_, err := c.Models.GenerateContent(t.Context(), spent, genai.Text("Anything left?"), nil)
	assert.Less(t, time.Since(start), atOnce)
	var refused genai.APIError
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, http.StatusTooManyRequests, refused.Code)
	assert.Equal(t, "RESOURCE_EXHAUSTED", refused.Status)
	details, err := json.Marshal(refused.Details)
	require.NoError(t, err)
	assert.Contains(t, string(details), "PerDay")
	assert.Len(t, c.w.answers.list()[before:], 1)
}

func (c *goClient) wrongToken(t *testing.T) {
	_, err := c.w.client(t, "not-a-token", nil).Models.GenerateContent(t.Context(), roomy, genai.Text("Hello"), nil)
	var refused genai.APIError
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, http.StatusUnauthorized, refused.Code)
	assert.Equal(t, "UNAUTHENTICATED", refused.Status)
}
