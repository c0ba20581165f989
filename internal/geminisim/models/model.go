package models

import (
	"fmt"
	"slices"
	"strings"

	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// Token limits of the text models.
const (
	InputTokenLimit  = 1_048_576
	OutputTokenLimit = 65_536
)

// A Kind says what a model is for.
type Kind int

// The kinds of models.
const (
	Text Kind = iota
	Embedding
	Image
	Speech
	Predict // not reached through generateContent at all
	Video   // nor this one
	Live    // reached through sessions alone
)

// A Model is one entry of the models list.
type Model struct {
	Name     string
	Resolved string // the model whose quota it draws on: itself unless an alias
	answers  string // the model that answers for it; empty: the resolved one
	Display  string
	Kind     Kind
	Input    int64 // tokens
	Output   int64 // tokens
}

// methods returns what the list says that the model answers.
func (m *Model) methods() []string {
	switch m.Kind {
	case Embedding:
		return []string{"embedContent", "countTextTokens", "countTokens", "asyncBatchEmbedContent"}
	case Image, Speech:
		return []string{"generateContent", "countTokens", "batchGenerateContent"}
	case Predict:
		return []string{"predict"}
	case Video:
		return []string{"predictLongRunning"}
	case Live:
		return []string{"countTokens", "bidiGenerateContent"} // captured of Live models
	default:
		return []string{"generateContent", "countTokens", "createCachedContent", "batchGenerateContent"}
	}
}

// Supports tells whether the model answers a method. The streaming and batch
// forms are supported wherever the plain one is, and not listed.
func (m *Model) Supports(method string) bool {
	switch method {
	case "streamGenerateContent":
		method = "generateContent"
	case "batchEmbedContents":
		method = "embedContent"
	}
	return slices.Contains(m.methods(), method)
}

// furtherModel returns a model that isn't built in.
func furtherModel(name string) *Model {
	m := &Model{Name: name, Resolved: name, Display: name, Kind: Text, Input: InputTokenLimit, Output: OutputTokenLimit}
	if strings.Contains(name, "embedding") {
		m.Kind, m.Input, m.Output = Embedding, 2048, 1
	}
	if strings.Contains(name, "-live") || strings.Contains(name, "native-audio") {
		m.Kind, m.Input, m.Output = Live, 131_072, 65_536
	}
	return m
}

// Version returns what an answer has as its modelVersion.
func (m *Model) Version() string {
	if m.answers != "" {
		return m.answers
	}
	return m.Resolved
}

// TooManyTokens is the refusal of a prompt that no text model reads.
func TooManyTokens() *wire.Error {
	return wire.InvalidArgument(fmt.Sprintf(
		"The input token count exceeds the maximum number of tokens allowed (%d).", InputTokenLimit))
}

// An Info is a model in the list.
type Info struct {
	Name                       string   `json:"name"`
	Version                    string   `json:"version"`
	DisplayName                string   `json:"displayName"`
	Description                string   `json:"description"`
	InputTokenLimit            int64    `json:"inputTokenLimit"`
	OutputTokenLimit           int64    `json:"outputTokenLimit"`
	SupportedGenerationMethods []string `json:"supportedGenerationMethods"`
	Thinking                   bool     `json:"thinking,omitempty"`
}

// Info returns the model as the list has it.
func (m *Model) Info() Info {
	return Info{"models/" + m.Name, "001", m.Display, "Simulated " + m.Display, m.Input, m.Output, m.methods(), m.Kind == Text}
}
