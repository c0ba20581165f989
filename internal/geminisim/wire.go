package geminisim

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
)

// The request types list every field under its camelCase and, where that
// differs, its snake_case name, because proto3 JSON accepts both. After
// normalise only the camelCase one is set.

// A list is a repeated field. Google takes a single value for one, and its own REST samples
// have contents, parts and tools without brackets (captured).
type list[T any] []T

// UnmarshalJSON reads a list, or its only element.
func (l *list[T]) UnmarshalJSON(data []byte) error {
	switch data[0] {
	case '[':
		return json.Unmarshal(data, (*[]T)(l))
	case 'n': // null
		return nil
	}
	*l = make(list[T], 1)
	return json.Unmarshal(data, &(*l)[0])
}

type generateRequest struct {
	Contents           list[content]         `json:"contents"`
	SystemInstruction  *content              `json:"systemInstruction"`
	SystemInstructionS *content              `json:"system_instruction"`
	Tools              list[json.RawMessage] `json:"tools"`
	GenerationConfig   *generationConfig     `json:"generationConfig"`
	GenerationConfigS  *generationConfig     `json:"generation_config"`
	CachedContent      string                `json:"cachedContent"`
	CachedContentS     string                `json:"cached_content"`
	ToolConfig         json.RawMessage       `json:"toolConfig"`
	ToolConfigS        json.RawMessage       `json:"tool_config"`
	declarations       []functionDeclared    // of the tools
}

type generationConfig struct {
	MaxOutputTokens   int64           `json:"maxOutputTokens"`
	MaxOutputTokensS  int64           `json:"max_output_tokens"`
	ResponseMIMEType  string          `json:"responseMimeType"`
	ResponseMIMETypeS string          `json:"response_mime_type"`
	ResponseSchema    json.RawMessage `json:"responseSchema"`
	ResponseSchemaS   json.RawMessage `json:"response_schema"`
	JSONSchema        json.RawMessage `json:"responseJsonSchema"`
	JSONSchemaS       json.RawMessage `json:"response_json_schema"`
}

type content struct {
	Role  string     `json:"role"`
	Parts list[part] `json:"parts"`
}

type part struct {
	Text              *string         `json:"text"`
	InlineData        *blob           `json:"inlineData"`
	InlineDataS       *blob           `json:"inline_data"`
	FileData          json.RawMessage `json:"fileData"`
	FileDataS         json.RawMessage `json:"file_data"`
	FunctionCall      json.RawMessage `json:"functionCall"`
	FunctionCallS     json.RawMessage `json:"function_call"`
	FunctionResponse  json.RawMessage `json:"functionResponse"`
	FunctionResponseS json.RawMessage `json:"function_response"`
	fileTokens        int64           // of FileData, once it was looked up
}

type blob struct {
	MIMEType  string `json:"mimeType"`
	MIMETypeS string `json:"mime_type"`
	Data      string `json:"data"`
	bytes     []byte // Data, decoded
}

type tool struct {
	FunctionDeclarations  list[functionDeclared] `json:"functionDeclarations"`
	FunctionDeclarationsS list[functionDeclared] `json:"function_declarations"`
}

type functionDeclared struct {
	Name                 string  `json:"name"`
	Parameters           *schema `json:"parameters"`
	ParametersJSONSchema *schema `json:"parametersJsonSchema"`
}

// schema is as much of an OpenAPI or JSON schema as function calls and answers
// need.
type schema struct {
	Type       json.RawMessage    `json:"type"` // a name, in JSON schema also a list of names
	Enum       []json.RawMessage  `json:"enum"`
	Properties map[string]*schema `json:"properties"`
	Items      *schema            `json:"items"`
}

type countRequest struct {
	Contents                list[content]    `json:"contents"`
	GenerateContentRequest  *generateRequest `json:"generateContentRequest"`
	GenerateContentRequestS *generateRequest `json:"generate_content_request"`
}

type embedRequest struct {
	Content               content `json:"content"`
	OutputDimensionality  int     `json:"outputDimensionality"`
	OutputDimensionalityS int     `json:"output_dimensionality"`
}

type batchEmbedRequest struct {
	Requests []embedRequest `json:"requests"`
}

// Responses.

type generateResponse struct {
	Candidates     []candidate `json:"candidates,omitempty"`
	PromptFeedback *feedback   `json:"promptFeedback,omitempty"`
	UsageMetadata  usage       `json:"usageMetadata"`
	ModelVersion   string      `json:"modelVersion"`
	ResponseID     string      `json:"responseId"`

	ModelStatus *modelStatus `json:"modelStatus,omitempty"`
}

type feedback struct {
	BlockReason string `json:"blockReason"`
}

type candidate struct {
	Content      contentOut `json:"content"`
	FinishReason string     `json:"finishReason,omitempty"`
	Index        int        `json:"index"`

	GroundingMetadata any `json:"groundingMetadata,omitempty"`
}

type contentOut struct {
	Parts []partOut `json:"parts"`
	Role  string    `json:"role"`
}

type partOut struct {
	Text         *string       `json:"text,omitempty"`
	FunctionCall *functionCall `json:"functionCall,omitempty"`
}

type functionCall struct {
	ID   string         `json:"id,omitempty"`
	Name string         `json:"name"`
	Args map[string]any `json:"args"`
}

type usage struct {
	PromptTokenCount     int64            `json:"promptTokenCount"`
	CandidatesTokenCount int64            `json:"candidatesTokenCount"`
	TotalTokenCount      int64            `json:"totalTokenCount"`
	PromptTokensDetails  []modalityTokens `json:"promptTokensDetails"`
	cachedUsage
	thinking
}

// thinking is what an answer costs beside its text: tokens that were thought, and tokens
// of the prompt that tools of the service's own brought.
type thinking struct {
	ThoughtsTokenCount      int64 `json:"thoughtsTokenCount,omitempty"`
	ToolUsePromptTokenCount int64 `json:"toolUsePromptTokenCount,omitempty"`
}

// cachedUsage says how many of the prompt's tokens a cached content holds.
type cachedUsage struct {
	CachedContentTokenCount int64            `json:"cachedContentTokenCount,omitempty"`
	CacheTokensDetails      []modalityTokens `json:"cacheTokensDetails,omitempty"`
}

type countResponse struct {
	TotalTokens         int64            `json:"totalTokens"`
	PromptTokensDetails []modalityTokens `json:"promptTokensDetails"`
	cachedUsage
}

type modalityTokens struct {
	Modality   string `json:"modality"`
	TokenCount int64  `json:"tokenCount"`
}

// newUsage reports the tokens of a request, cached ones included, and an answer.
func newUsage(in, cached, out int64, beside thinking) usage {
	total := in + out + beside.ThoughtsTokenCount + beside.ToolUsePromptTokenCount
	return usage{in, out, total, []modalityTokens{{"TEXT", in}}, newCachedUsage(cached), beside}
}

func newCachedUsage(cached int64) cachedUsage {
	if cached == 0 {
		return cachedUsage{}
	}
	return cachedUsage{cached, []modalityTokens{{"TEXT", cached}}}
}

// decode parses a request body. The messages of encoding/json name a field and
// a kind, at most a single character of the body, so they may be shown.
func decode(body []byte, into any) *apiError {
	if len(body) == 0 {
		body = []byte("{}")
	}
	if err := json.Unmarshal(body, into); err != nil {
		return invalidArgument("Invalid JSON payload received. " + err.Error())
	}
	return nil
}

// hasContents is asked apart from normalise: a cached content may do without.
func (r *generateRequest) hasContents() *apiError {
	if len(r.Contents) == 0 {
		return invalidArgument("* GenerateContentRequest.contents: contents is not specified\n")
	}
	return nil
}

// normalise folds the snake_case fields into the camelCase ones, decodes
// inline data and checks what the real service checks.
func (r *generateRequest) normalise() *apiError {
	r.SystemInstruction = first(r.SystemInstruction, r.SystemInstructionS)
	r.GenerationConfig = first(r.GenerationConfig, r.GenerationConfigS)
	if r.GenerationConfig == nil {
		r.GenerationConfig = &generationConfig{}
	}
	g := r.GenerationConfig
	g.MaxOutputTokens = max(g.MaxOutputTokens, g.MaxOutputTokensS)
	g.ResponseMIMEType += g.ResponseMIMETypeS
	g.ResponseSchema = firstRaw(g.ResponseSchema, g.ResponseSchemaS, g.JSONSchema, g.JSONSchemaS)
	r.CachedContent += r.CachedContentS
	r.ToolConfig = firstRaw(r.ToolConfig, r.ToolConfigS)
	for i := range r.Contents {
		if err := r.Contents[i].normalise(fmt.Sprintf("contents[%d]", i)); err != nil {
			return err
		}
	}
	if r.SystemInstruction != nil {
		r.SystemInstruction.Role = "" // whatever it says is ignored
		if err := r.SystemInstruction.normalise("system_instruction"); err != nil {
			return err
		}
	}
	for i, raw := range r.Tools {
		var t tool
		if err := json.Unmarshal(raw, &t); err != nil {
			return invalidArgument(fmt.Sprintf("Invalid value at 'tools[%d]': %v", i, err))
		}
		r.declarations = append(r.declarations, t.FunctionDeclarations...)
		r.declarations = append(r.declarations, t.FunctionDeclarationsS...)
	}
	return nil
}

func (c *content) normalise(at string) *apiError {
	switch c.Role {
	case "", "user", "model", "function":
	default:
		return invalidArgument("Please use a valid role: user, model.")
	}
	if len(c.Parts) == 0 {
		return invalidArgument("* GenerateContentRequest." + at + ".parts: contents.parts must not be empty.\n")
	}
	for i := range c.Parts {
		p := &c.Parts[i]
		p.InlineData = first(p.InlineData, p.InlineDataS)
		p.FileData = firstRaw(p.FileData, p.FileDataS)
		p.FunctionCall = firstRaw(p.FunctionCall, p.FunctionCallS)
		p.FunctionResponse = firstRaw(p.FunctionResponse, p.FunctionResponseS)
		if p.InlineData == nil {
			continue
		}
		p.InlineData.MIMEType += p.InlineData.MIMETypeS
		var err error
		if p.InlineData.bytes, err = decodeBase64(p.InlineData.Data); err != nil {
			return invalidArgument(fmt.Sprintf(
				"Invalid value at '%s.parts[%d].inline_data.data' (TYPE_BYTES), Base64 decoding failed", at, i))
		}
		p.InlineData.Data = "" // large, and no longer needed
	}
	return nil
}

// decodeBase64 accepts the standard and the URL alphabet, padded or not, as
// proto3 JSON does.
func decodeBase64(s string) ([]byte, error) {
	s = strings.TrimRight(s, "=")
	if strings.ContainsAny(s, "-_") {
		return base64.RawURLEncoding.DecodeString(s)
	}
	return base64.RawStdEncoding.DecodeString(s)
}

func first[T any](values ...*T) *T {
	for _, v := range values {
		if v != nil {
			return v
		}
	}
	return nil
}

func firstRaw(values ...json.RawMessage) json.RawMessage {
	for _, v := range values {
		if v != nil {
			return v
		}
	}
	return nil
}

// schema returns the form that the answer is to have, or nil.
func (r *generateRequest) schema() *schema {
	var s *schema
	_ = json.Unmarshal(r.GenerationConfig.ResponseSchema, &s) // what can't be read is no schema
	return s
}
