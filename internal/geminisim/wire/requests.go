package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// The request types list every field under its camelCase and, where that
// differs, its snake_case name, because proto3 JSON accepts both. After
// Normalise only the camelCase one is set.

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

// A GenerateRequest is the body of generateContent.
type GenerateRequest struct {
	Contents           list[Content]         `json:"contents"`
	SystemInstruction  *Content              `json:"systemInstruction"`
	SystemInstructionS *Content              `json:"system_instruction"`
	Tools              list[json.RawMessage] `json:"tools"`
	GenerationConfig   *GenerationConfig     `json:"generationConfig"`
	GenerationConfigS  *GenerationConfig     `json:"generation_config"`
	CachedContent      string                `json:"cachedContent"`
	CachedContentS     string                `json:"cached_content"`
	ToolConfig         json.RawMessage       `json:"toolConfig"`
	ToolConfigS        json.RawMessage       `json:"tool_config"`
	Declarations       []FunctionDeclared    `json:"-"` // of the tools
}

// A GenerationConfig is what a request says of its answer.
type GenerationConfig struct {
	MaxOutputTokens   int64           `json:"maxOutputTokens"`
	MaxOutputTokensS  int64           `json:"max_output_tokens"`
	ResponseMIMEType  string          `json:"responseMimeType"`
	ResponseMIMETypeS string          `json:"response_mime_type"`
	ResponseSchema    json.RawMessage `json:"responseSchema"`
	ResponseSchemaS   json.RawMessage `json:"response_schema"`
	JSONSchema        json.RawMessage `json:"responseJsonSchema"`
	JSONSchemaS       json.RawMessage `json:"response_json_schema"`
	Modalities        list[string]    `json:"responseModalities"`
	ModalitiesS       list[string]    `json:"response_modalities"`
}

// A Content is a turn of a conversation.
type Content struct {
	Role  string     `json:"role"`
	Parts list[Part] `json:"parts"`
}

// A Part is one of a content, by the member that is set.
type Part struct {
	Text              *string         `json:"text"`
	InlineData        *Blob           `json:"inlineData"`
	InlineDataS       *Blob           `json:"inline_data"`
	FileData          json.RawMessage `json:"fileData"`
	FileDataS         json.RawMessage `json:"file_data"`
	FunctionCall      json.RawMessage `json:"functionCall"`
	FunctionCallS     json.RawMessage `json:"function_call"`
	FunctionResponse  json.RawMessage `json:"functionResponse"`
	FunctionResponseS json.RawMessage `json:"function_response"`
	FileTokens        int64           `json:"-"` // of FileData, once it was looked up
}

// A Blob is inline data.
type Blob struct {
	MIMEType  string `json:"mimeType"`
	MIMETypeS string `json:"mime_type"`
	Data      string `json:"data"`
	bytes     []byte // Data, decoded
}

// A tool is one that a request declares; other tools than functions are nobody's here.
type tool struct {
	FunctionDeclarations  list[FunctionDeclared] `json:"functionDeclarations"`
	FunctionDeclarationsS list[FunctionDeclared] `json:"function_declarations"`
}

// A FunctionDeclared is a function that the model may call.
type FunctionDeclared struct {
	Name                 string  `json:"name"`
	Parameters           *Schema `json:"parameters"`
	ParametersJSONSchema *Schema `json:"parametersJsonSchema"`
}

// A Schema is as much of an OpenAPI or JSON schema as function calls and answers
// need.
type Schema struct {
	Type       json.RawMessage    `json:"type"` // a name, in JSON schema also a list of names
	Enum       []json.RawMessage  `json:"enum"`
	Properties map[string]*Schema `json:"properties"`
	Items      *Schema            `json:"items"`
}

// A CountRequest is the body of countTokens, in both of its forms.
type CountRequest struct {
	Contents                list[Content]    `json:"contents"`
	GenerateContentRequest  *GenerateRequest `json:"generateContentRequest"`
	GenerateContentRequestS *GenerateRequest `json:"generate_content_request"`
}

// An EmbedRequest is the body of embedContent.
type EmbedRequest struct {
	Content               Content `json:"content"`
	OutputDimensionality  int     `json:"outputDimensionality"`
	OutputDimensionalityS int     `json:"output_dimensionality"`
}

// A BatchEmbedRequest is the body of batchEmbedContents.
type BatchEmbedRequest struct {
	Requests []EmbedRequest `json:"requests"`
}

// Decode parses a request body. The messages of encoding/json name a field and
// a kind, at most a single character of the body, so they may be shown.
func Decode(body []byte, into any) *Error {
	if len(body) == 0 {
		body = []byte("{}")
	}
	if text := bytes.TrimLeft(body, " \t\r\n"); len(text) > 0 && text[0] != '{' && text[0] != 'n' {
		return InvalidArgument(noMessage)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return InvalidArgument("Invalid JSON payload received. " + err.Error())
	}
	return nil
}

// noMessage is what Google says of a list, a text or a number (captured at several of its APIs). Of null
// it is a guess that it is taken for an empty request.
const noMessage = `Invalid JSON payload received. Unknown name "": Root element must be a message.`

// HasContents is asked apart from Normalise: a cached content may do without.
func (r *GenerateRequest) HasContents() *Error {
	if len(r.Contents) == 0 {
		return InvalidArgument("* GenerateContentRequest.contents: contents is not specified\n")
	}
	return nil
}

// Normalise folds the snake_case fields into the camelCase ones, decodes
// inline data and checks what the real service checks.
func (r *GenerateRequest) Normalise() *Error {
	r.SystemInstruction = First(r.SystemInstruction, r.SystemInstructionS)
	r.GenerationConfig = First(r.GenerationConfig, r.GenerationConfigS)
	if r.GenerationConfig == nil {
		r.GenerationConfig = &GenerationConfig{}
	}
	g := r.GenerationConfig
	g.MaxOutputTokens = max(g.MaxOutputTokens, g.MaxOutputTokensS)
	g.ResponseMIMEType += g.ResponseMIMETypeS
	g.ResponseSchema = firstRaw(g.ResponseSchema, g.ResponseSchemaS, g.JSONSchema, g.JSONSchemaS)
	g.Modalities = append(g.Modalities, g.ModalitiesS...)
	r.CachedContent += r.CachedContentS
	r.ToolConfig = firstRaw(r.ToolConfig, r.ToolConfigS)
	for i := range r.Contents {
		if err := r.Contents[i].Normalise(fmt.Sprintf("contents[%d]", i)); err != nil {
			return err
		}
	}
	if r.SystemInstruction != nil {
		r.SystemInstruction.Role = "" // whatever it says is ignored
		if err := r.SystemInstruction.Normalise("system_instruction"); err != nil {
			return err
		}
	}
	for i, raw := range r.Tools {
		var t tool
		if err := json.Unmarshal(raw, &t); err != nil {
			return InvalidArgument(fmt.Sprintf("Invalid value at 'tools[%d]': %v", i, err))
		}
		r.Declarations = append(r.Declarations, t.FunctionDeclarations...)
		r.Declarations = append(r.Declarations, t.FunctionDeclarationsS...)
	}
	return nil
}

// WantsImage reports whether a normalised request wants an image in its answer, of a model for images: one that says nothing of
// what kinds of output are wanted gets text and images.
// https://ai.google.dev/gemini-api/docs/image-generation#output-type
func (r *GenerateRequest) WantsImage() bool {
	return len(r.GenerationConfig.Modalities) == 0 || slices.ContainsFunc(r.GenerationConfig.Modalities, func(m string) bool { return strings.EqualFold(m, "IMAGE") })
}

// Normalise does for a turn what [GenerateRequest.Normalise] does for a request; at names the turn
// in errors.
func (c *Content) Normalise(at string) *Error {
	switch c.Role {
	case "", "user", "model", "function":
	default:
		return InvalidArgument("Please use a valid role: user, model.")
	}
	if len(c.Parts) == 0 {
		return InvalidArgument("* GenerateContentRequest." + at + ".parts: contents.parts must not be empty.\n")
	}
	for i := range c.Parts {
		p := &c.Parts[i]
		p.InlineData = First(p.InlineData, p.InlineDataS)
		p.FileData = firstRaw(p.FileData, p.FileDataS)
		p.FunctionCall = firstRaw(p.FunctionCall, p.FunctionCallS)
		p.FunctionResponse = firstRaw(p.FunctionResponse, p.FunctionResponseS)
		if p.InlineData == nil {
			continue
		}
		p.InlineData.MIMEType += p.InlineData.MIMETypeS
		var err error
		if p.InlineData.bytes, err = decodeBase64(p.InlineData.Data); err != nil {
			return InvalidArgument(fmt.Sprintf(
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

// First returns the first of several pointers that is one.
func First[T any](values ...*T) *T {
	for _, v := range values {
		if v != nil {
			return v
		}
	}
	return nil
}

// firstRaw returns the first of several values that is there.
func firstRaw(values ...json.RawMessage) json.RawMessage {
	for _, v := range values {
		if v != nil {
			return v
		}
	}
	return nil
}

// Schema returns the form that the answer is to have, or nil.
func (r *GenerateRequest) Schema() *Schema {
	var s *Schema
	_ = json.Unmarshal(r.GenerationConfig.ResponseSchema, &s) // what can't be read is no schema
	return s
}
