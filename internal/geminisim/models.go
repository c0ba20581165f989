package geminisim

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// Token limits of the text models.
const (
	inputTokenLimit  = 1_048_576
	outputTokenLimit = 65_536
)

type modelKind int

const (
	textModel modelKind = iota
	embeddingModel
	imageModel
	speechModel
	predictModel // not reached through generateContent at all
	videoModel   // nor this one
	liveModel    // reached through sessions alone
)

// model is one entry of the models list.
type model struct {
	name     string
	resolved string // the model whose quota it draws on: itself unless an alias
	answers  string // the model that answers for it; empty: the resolved one
	display  string
	kind     modelKind
	input    int64 // tokens
	output   int64 // tokens
}

func (m *model) methods() []string {
	switch m.kind {
	case embeddingModel:
		return []string{"embedContent", "countTextTokens", "countTokens", "asyncBatchEmbedContent"}
	case imageModel, speechModel:
		return []string{"generateContent", "countTokens", "batchGenerateContent"}
	case predictModel:
		return []string{"predict"}
	case videoModel:
		return []string{"predictLongRunning"}
	case liveModel:
		return []string{"countTokens", "bidiGenerateContent"} // captured of Live models
	default:
		return []string{"generateContent", "countTokens", "createCachedContent", "batchGenerateContent"}
	}
}

// supports tells whether the model answers a method. The streaming and batch
// forms are supported wherever the plain one is, and not listed.
func (m *model) supports(method string) bool {
	switch method {
	case "streamGenerateContent":
		method = "generateContent"
	case "batchEmbedContents":
		method = "embedContent"
	}
	return slices.Contains(m.methods(), method)
}

// DefaultLimits returns the limits that a project has when [Config].Limits
// doesn't say otherwise. For the text models they are the built-in defaults of
// the product by family (5, 10 and 15 RPM; 250,000 TPM; 100, 250 and 1000 RPD
// for pro, flash and flash-lite); for embeddings, what the free tier had
// through 2025.
func DefaultLimits() map[string]Limits {
	pro := Limits{RPM: 5, TPM: 250_000, RPD: 100}
	flash := Limits{RPM: 10, TPM: 250_000, RPD: 250}
	lite := Limits{RPM: 15, TPM: 250_000, RPD: 1000}
	return map[string]Limits{
		"gemini-2.5-pro":                pro,
		"gemini-2.5-flash":              flash,
		"gemini-2.5-flash-lite":         lite,
		"gemini-3.1-pro-preview":        pro,
		"gemini-3-flash-preview":        flash,
		"gemini-3.1-flash-lite-preview": lite,
		"gemini-embedding-001":          {RPM: 100, TPM: 30_000, RPD: 1000},
	}
}

// catalogue is the models that exist at one time. It isn't changed once it is
// in use, so whoever has it needs no lock.
type catalogue struct {
	byName map[string]*model // by every name, aliases included
	listed []*model          // in the order of the models list
}

func (s *Server) model(name string) *model { return s.models.Load().byName[name] }

func (s *Server) listed() []*model { return s.models.Load().listed }

// furtherModel returns a model that isn't built in.
func furtherModel(name string) *model {
	m := &model{name: name, resolved: name, display: name, kind: textModel, input: inputTokenLimit, output: outputTokenLimit}
	if strings.Contains(name, "embedding") {
		m.kind, m.input, m.output = embeddingModel, 2048, 1
	}
	if strings.Contains(name, "-live") || strings.Contains(name, "native-audio") {
		m.kind, m.input, m.output = liveModel, 131_072, 65_536
	}
	return m
}

// newCatalogue returns the built-in models and those that only the
// configuration names.
func newCatalogue(limits map[string]Limits) *catalogue {
	text := func(name, resolved, display string) *model {
		return &model{name: name, resolved: resolved, display: display, kind: textModel,
			input: inputTokenLimit, output: outputTokenLimit}
	}
	listed := []*model{
		text("gemini-2.5-pro", "gemini-2.5-pro", "Gemini 2.5 Pro"),
		text("gemini-2.5-flash", "gemini-2.5-flash", "Gemini 2.5 Flash"),
		text("gemini-2.5-flash-lite", "gemini-2.5-flash-lite", "Gemini 2.5 Flash-Lite"),
		text("gemini-3.1-pro-preview", "gemini-3.1-pro-preview", "Gemini 3.1 Pro Preview"),
		text("gemini-3-flash-preview", "gemini-3-flash-preview", "Gemini 3 Flash Preview"),
		text("gemini-3.1-flash-lite-preview", "gemini-3.1-flash-lite-preview", "Gemini 3.1 Flash-Lite Preview"),
		text("gemini-pro-latest", "gemini-2.5-pro", "Gemini Pro Latest"),
		text("gemini-flash-latest", "gemini-2.5-flash", "Gemini Flash Latest"),
		text("gemini-flash-lite-latest", "gemini-2.5-flash-lite", "Gemini Flash-Lite Latest"),
		{name: "gemini-2.5-flash-image", resolved: "gemini-2.5-flash-image", display: "Nano Banana",
			kind: imageModel, input: 32_768, output: 32_768},
		{name: "gemini-2.5-flash-preview-tts", resolved: "gemini-2.5-flash-preview-tts",
			display: "Gemini 2.5 Flash Preview TTS", kind: speechModel, input: 8192, output: 16_384},
		{name: "gemini-embedding-001", resolved: "gemini-embedding-001", display: "Gemini Embedding 001",
			kind: embeddingModel, input: 2048, output: 1},
		{name: "imagen-4.0-generate-001", resolved: "imagen-4.0-generate-001", display: "Imagen 4",
			kind: predictModel, input: 480, output: 8192},
		{name: "veo-3.0-generate-001", resolved: "veo-3.0-generate-001", display: "Veo 3", kind: videoModel, input: 480, output: 8192},
		{name: "gemini-3.8-live", resolved: "gemini-3.8-live", display: "Gemini 3.8 Live",
			kind: liveModel, input: 131_072, output: 65_536},
	}
	byName := make(map[string]*model)
	for _, m := range listed {
		byName[m.name] = m
	}
	var further []string
	for name := range limits {
		if byName[name] == nil {
			further = append(further, name)
		}
	}
	slices.Sort(further) // a map has no order, a list of models should
	for _, name := range further {
		m := furtherModel(name)
		byName[name] = m
		listed = append(listed, m)
	}
	return &catalogue{byName, listed}
}

// AddModel makes a model exist from now on, last in the list, with these limits
// on every project. Its name decides its kind, as in [Config].Limits. Of one that
// exists already it sets the limits and ends [Server.RetireModel].
func (s *Server) AddModel(name string, l Limits) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.model(name) == nil {
		m := furtherModel(name)
		old := s.models.Load()
		byName := maps.Clone(old.byName)
		byName[name] = m
		s.models.Store(&catalogue{byName, append(slices.Clone(old.listed), m)})
	}
	resolved := s.model(name).resolved
	maps.DeleteFunc(s.retired, func(id bucketID, _ Wording) bool { return id.model == resolved })
	s.setQuota("", resolved, quota{Limits: l})
}

// RemoveModel takes a name off the list: from now on nobody knows it, as if it
// had never been. Aliases of it stay.
func (s *Server) RemoveModel(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.models.Load()
	byName := maps.Clone(old.byName)
	delete(byName, name)
	listed := slices.DeleteFunc(slices.Clone(old.listed), func(m *model) bool { return m.name == name })
	s.models.Store(&catalogue{byName, listed})
}

// Redirect has another model answer requests for a name from now on, as modelVersion
// says: gemini-3.8-flash for gemini-2.5-pro from 1 December 2026 (documented). Whose quota
// that uses isn't established: with shared the other's, whose name a refusal then has;
// else its own. An empty model ends it.
func (s *Server) Redirect(name, to string, shared bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.models.Load()
	m := *old.byName[name]
	m.resolved, m.answers = name, to
	if other := old.byName[to]; other != nil && shared {
		m.resolved = other.resolved
	}
	byName := maps.Clone(old.byName)
	byName[name] = &m
	listed := slices.Clone(old.listed)
	listed[slices.IndexFunc(listed, func(x *model) bool { return x.name == name })] = &m
	s.models.Store(&catalogue{byName, listed})
}

// version returns what an answer has as its modelVersion.
func (m *model) version() string {
	if m.answers != "" {
		return m.answers
	}
	return m.resolved
}

func errTooManyTokens() *wire.Error {
	return wire.InvalidArgument(fmt.Sprintf(
		"The input token count exceeds the maximum number of tokens allowed (%d).", inputTokenLimit))
}
