package wire

import "time"

// A GenerateResponse answers generateContent, or is an event of a stream.
type GenerateResponse struct {
	Candidates     []Candidate `json:"candidates,omitempty"`
	PromptFeedback *Feedback   `json:"promptFeedback,omitempty"`
	UsageMetadata  Usage       `json:"usageMetadata"`
	ModelVersion   string      `json:"modelVersion"`
	ResponseID     string      `json:"responseId"`

	ModelStatus *ModelStatus `json:"modelStatus,omitempty"`
}

// Feedback says why a prompt has no answer.
type Feedback struct {
	BlockReason string `json:"blockReason"`
}

// A Candidate is an answer.
type Candidate struct {
	Content      ContentOut `json:"content"`
	FinishReason string     `json:"finishReason,omitempty"`
	Index        int        `json:"index"`

	GroundingMetadata any `json:"groundingMetadata,omitempty"`
}

// A ContentOut is what the model says.
type ContentOut struct {
	Parts []PartOut `json:"parts"`
	Role  string    `json:"role"`
}

// A PartOut is a text, a function call or an image.
type PartOut struct {
	Text         *string       `json:"text,omitempty"`
	FunctionCall *FunctionCall `json:"functionCall,omitempty"`
	InlineData   *BlobOut      `json:"inlineData,omitempty"`
}

// A BlobOut is an image, in base64.
type BlobOut struct {
	MIMEType string `json:"mimeType"`
	Data     string `json:"data"`
}

// A FunctionCall is one that the model asks for.
type FunctionCall struct {
	ID   string         `json:"id,omitempty"`
	Name string         `json:"name"`
	Args map[string]any `json:"args"`
}

// Usage is what a request and its answer count, in tokens.
type Usage struct {
	PromptTokenCount     int64            `json:"promptTokenCount"`
	CandidatesTokenCount int64            `json:"candidatesTokenCount"`
	TotalTokenCount      int64            `json:"totalTokenCount"`
	PromptTokensDetails  []ModalityTokens `json:"promptTokensDetails"`
	cachedUsage
	Thinking
}

// Thinking is what an answer costs beside its text: tokens that were thought, and tokens
// of the prompt that tools of the service's own brought.
type Thinking struct {
	ThoughtsTokenCount      int64 `json:"thoughtsTokenCount,omitempty"`
	ToolUsePromptTokenCount int64 `json:"toolUsePromptTokenCount,omitempty"`
}

// cachedUsage says how many of the prompt's tokens a cached content holds.
type cachedUsage struct {
	CachedContentTokenCount int64            `json:"cachedContentTokenCount,omitempty"`
	CacheTokensDetails      []ModalityTokens `json:"cacheTokensDetails,omitempty"`
}

// A CountResponse answers countTokens.
type CountResponse struct {
	TotalTokens         int64            `json:"totalTokens"`
	PromptTokensDetails []ModalityTokens `json:"promptTokensDetails"`
	cachedUsage
}

// A ModalityTokens is how many of the tokens are text. All are, here.
type ModalityTokens struct {
	Modality   string `json:"modality"`
	TokenCount int64  `json:"tokenCount"`
}

// ModelStatus is what an answer says of its model. The field is documented, and read in
// the SDKs; how early it comes is not established.
type ModelStatus struct {
	Message        string     `json:"message,omitempty"`
	ModelStage     string     `json:"modelStage,omitempty"`
	RetirementTime *time.Time `json:"retirementTime,omitempty"`
}

// NewUsage reports the tokens of a request, cached ones included, and an answer.
func NewUsage(in, cached, out int64, beside Thinking) Usage {
	total := in + out + beside.ThoughtsTokenCount + beside.ToolUsePromptTokenCount
	return Usage{in, out, total, []ModalityTokens{{"TEXT", in}}, newCachedUsage(cached), beside}
}

// NewCount reports the tokens of a request, cached ones included.
func NewCount(total, cached int64) CountResponse {
	return CountResponse{total, []ModalityTokens{{"TEXT", total}}, newCachedUsage(cached)}
}

// newCachedUsage reports the tokens of a cached content, if there are any.
func newCachedUsage(cached int64) cachedUsage {
	if cached == 0 {
		return cachedUsage{}
	}
	return cachedUsage{cached, []ModalityTokens{{"TEXT", cached}}}
}

// Timestamp is how the API writes an instant.
func Timestamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
