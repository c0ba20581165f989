package policy

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/scheduler"
)

var textMethods = []string{"generateContent", "countTokens", "createCachedContent", "batchGenerateContent"}

// speechMethods are those of models for speech and images, as captured.
var speechMethods = []string{"generateContent", "countTokens", "batchGenerateContent"}

// open is an open model as upstream lists it (captured of gemma-3).
func open(name string, input int64) upstream.Model {
	return upstream.Model{Name: name, Methods: []string{"generateContent", "countTokens"}, InputTokenLimit: input}
}

// listed returns models as upstream lists them: with the methods of a text model.
func listed(names ...string) []upstream.Model {
	var models []upstream.Model
	for _, name := range names {
		models = append(models, upstream.Model{Name: name, Methods: textMethods, InputTokenLimit: 1_048_576, Thinking: true})
	}
	return models
}

// summer2026 is what Google listed for a free project in the summer of 2026.
func summer2026() []upstream.Model {
	models := listed(
		"gemini-2.5-flash", "gemini-2.5-pro", "gemini-2.5-flash-preview-tts", "gemini-2.5-pro-preview-tts",
		"gemini-flash-latest", "gemini-flash-lite-latest", "gemini-pro-latest",
		"gemini-2.5-flash-lite", "gemini-2.5-flash-image", "gemini-3-flash-preview", "gemini-3.1-pro-preview",
		"gemini-3.1-pro-preview-customtools", "gemini-3.1-flash-lite-preview", "gemini-3.1-flash-lite",
		"gemini-3-pro-image-preview", "gemini-3-pro-image", "nano-banana-pro-preview", "gemini-3.1-flash-image-preview",
		"gemini-3.1-flash-image", "gemini-3.1-flash-lite-image", "gemini-3.5-flash", "gemini-3.5-flash-lite",
		"gemini-omni-flash-preview", "gemini-3.6-flash", "lyria-3-clip-preview", "lyria-3-pro-preview",
		"gemini-3.1-flash-tts-preview", "gemini-robotics-er-1.6-preview", "gemini-robotics-er-2-preview",
		"gemini-2.5-computer-use-preview-10-2025", "antigravity-preview-05-2026", "deep-research-max-preview-04-2026",
		"deep-research-preview-04-2026", "deep-research-pro-preview-12-2025",
	)
	add := func(methods []string, names ...string) {
		for _, name := range names {
			models = append(models, upstream.Model{Name: name, Methods: methods})
		}
	}
	models = append(models, open("gemma-4-26b-a4b-it", 262_144), open("gemma-4-31b-it", 262_144))
	add([]string{"embedContent", "countTextTokens", "countTokens", "asyncBatchEmbedContent"},
		"gemini-embedding-001", "gemini-embedding-2-preview", "gemini-embedding-2")
	add([]string{"generateAnswer"}, "aqa")
	add([]string{"predict"}, "imagen-4.0-generate-001", "imagen-4.0-ultra-generate-001", "imagen-4.0-fast-generate-001")
	add([]string{"predictLongRunning"}, "veo-3.1-generate-preview", "veo-3.1-fast-generate-preview")
	add([]string{"countTokens", "bidiGenerateContent"}, "gemini-2.5-flash-native-audio-latest",
		"gemini-2.5-flash-native-audio-preview-12-2025", "gemini-3.1-flash-live-preview",
		"gemini-robotics-er-2-streaming-preview", "gemini-3.5-live-translate-preview")
	return models
}

func TestDiscover(t *testing.T) {
	for _, tc := range []struct {
		name string
		list []upstream.Model
		want []string
	}{
		{"the built-in models make the built-in chain", listed(scheduler.DefaultChain()...), scheduler.DefaultChain()},
		{"a real list", summer2026(), []string{
			"gemini-2.5-pro",
			"gemini-3.6-flash", "gemini-3.5-flash", "gemini-2.5-flash",
			"gemini-3.5-flash-lite", "gemini-3.1-flash-lite", "gemini-2.5-flash-lite",
			"gemini-3.1-pro-preview", "gemini-3-flash-preview",
			"gemma-4-31b-it", "gemma-4-26b-a4b-it",
		}},
		{"the autumn of 2026: kinds that are new", append(listed("gemini-4-argon", "gemini-3.8-flash", "gemini-3.5-flash-lite",
			"gemini-2.5-pro", "gemini-4-argon-customtools", "gemini-omni-flash"), open("gemma-4-31b-it", 262_144), open("gemma-3n-e4b-it", 8192),
			open("gemma-3-27b-it", 131_072)), []string{
			"gemini-4-argon", "gemini-2.5-pro", "gemini-3.8-flash", "gemini-3.5-flash-lite", "gemma-4-31b-it", "gemma-3-27b-it", "gemma-3n-e4b-it"}},
		{"what comes next, by what the list says of it", []upstream.Model{
			{Name: "titan-1-ultra", Methods: textMethods, InputTokenLimit: 4_000_000, Thinking: true, Description: "Our next model"},
			{Name: "titan-1-swift", Methods: textMethods, InputTokenLimit: 500_000, Thinking: true},
			{Name: "titan-1-mute", Methods: textMethods, InputTokenLimit: 4_000_000}, // doesn't think: not of a brand that is known
			{Name: "gemini-5-neon", Methods: textMethods, InputTokenLimit: 1_048_576, Thinking: true},
			{Name: "gemini-5-prism", Methods: textMethods, Description: "Makes images from text", Thinking: true},
			{Name: "gemini-5-sonic", Methods: textMethods, DisplayName: "Gemini 5 Speech", Thinking: true},
			{Name: "gemini-5-quartz", Methods: speechMethods, Thinking: true}, // nothing of it can be cached
			{Name: "gemini-5-live", Methods: textMethods, Thinking: true},
			{Name: "lyria-3-pro-preview", Methods: []string{"generateContent", "countTokens"}, InputTokenLimit: 1_048_576},
		}, []string{"gemini-5-neon", "titan-1-ultra", "titan-1-swift"}},
		{"what doesn't think, and what takes less, comes later", []upstream.Model{
			{Name: "gemini-3-pro", Methods: textMethods, InputTokenLimit: 200_000, Thinking: true},
			{Name: "gemini-2.0-flash", Methods: textMethods, InputTokenLimit: 1_048_576},
			{Name: "gemini-2.5-flash-lite", Methods: textMethods, InputTokenLimit: 1_048_576, Thinking: true},
		}, []string{"gemini-2.5-flash-lite", "gemini-2.0-flash", "gemini-3-pro"}},
		{"a list that says no more than names", []upstream.Model{
			{Name: "gemini-3.8-flash", Methods: textMethods}, {Name: "gemma-4-31b-it", Methods: textMethods},
			{Name: "gemini-4-argon", Methods: textMethods}, {Name: "gemini-3-pro-preview", Methods: textMethods},
		}, []string{"gemini-4-argon", "gemini-3.8-flash", "gemini-3-pro-preview", "gemma-4-31b-it"}},
		{"the middle of 2025: numbers, dates and experiments", append(listed(
			"gemini-1.5-pro", "gemini-1.5-pro-002", "gemini-1.5-flash-8b", "gemini-1.5-pro-latest", "gemini-pro-vision",
			"gemini-2.0-flash-exp", "gemini-2.0-flash", "gemini-2.0-flash-001", "gemini-2.0-flash-lite-001",
			"gemini-2.0-flash-lite", "gemini-2.0-flash-lite-preview-02-05", "gemini-2.0-flash-lite-preview",
			"gemini-2.0-pro-exp-02-05", "gemini-exp-1206", "gemini-2.0-flash-thinking-exp-01-21",
			"gemini-2.5-pro-preview-03-25", "gemini-2.5-pro-preview-06-05", "gemini-2.5-pro-preview-05-06",
			"gemini-2.5-flash-preview-05-20", "gemini-2.5-flash-preview-04-17-thinking",
			"gemini-2.5-flash-lite-preview-06-17", "learnlm-2.0-flash-experimental",
		), open("gemma-3-27b-it", 131_072)), []string{
			"gemini-1.5-pro", "gemini-2.0-flash", "gemini-2.0-flash-lite",
			"gemini-2.5-pro-preview-06-05", "gemini-2.5-flash-preview-05-20", "gemini-2.5-flash-lite-preview-06-17", "gemma-3-27b-it",
		}},
		{"a dated preview of a listed stable model", listed("gemini-2.5-flash-lite-preview-09-2025", "gemini-2.5-flash-lite"),
			[]string{"gemini-2.5-flash-lite"}},
		{"month and year are later than month and day", listed("gemini-2.5-flash-preview-12-31", "gemini-2.5-flash-preview-09-2025",
			"gemini-2.5-flash-preview-01-2026"), []string{"gemini-2.5-flash-preview-01-2026"}},
		{"the undated preview follows the dates", listed("gemini-3-pro-preview-11-2025", "gemini-3-pro-preview"),
			[]string{"gemini-3-pro-preview"}},
		{"only numbers", listed("gemini-2.0-flash-001", "gemini-2.0-flash-002"), []string{"gemini-2.0-flash-002"}},
		{"versions are numbers, not text", listed("gemini-3.9-pro", "gemini-3.10-pro", "gemini-3-pro", "gemini-10-pro", "gemini-4.0-pro"),
			[]string{"gemini-10-pro", "gemini-4.0-pro", "gemini-3.10-pro", "gemini-3.9-pro", "gemini-3-pro"}},
		{"3 and 3.0 are one model", listed("gemini-3-pro-preview", "gemini-3.0-pro"), []string{"gemini-3.0-pro"}},
		{"listed twice", listed("gemini-2.5-pro", "gemini-2.5-pro"), []string{"gemini-2.5-pro"}},
		{"what can't be counted isn't planned", []upstream.Model{
			{Name: "gemini-2.5-pro", Methods: []string{"generateContent"}},
			{Name: "gemini-2.5-flash", Methods: []string{"countTokens"}},
			{Name: "gemini-2.5-flash-lite"},
		}, nil},
		{"tuned models and other people's names", listed("tunedModels/gemini-2.5-pro", "gemini-2.5-pro/x", "GEMINI-2.5-PRO", ""), nil},
		{"nothing", nil, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			assert.Equal(t, tc.want, discover(tc.list, nil, time.Time{}))
			for range 5 { // the list has an order of its own, and it changes
				rand.Shuffle(len(tc.list), func(i, j int) { tc.list[i], tc.list[j] = tc.list[j], tc.list[i] })
				assert.Equal(t, tc.want, discover(tc.list, nil, time.Time{}))
			}
		})
	}
}

// A model that is about to be shut down, as the list or an answer says, leaves the chain; the last one stays.
func TestDiscoverRetiring(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	list := listed("gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.5-flash-lite")
	list[0].Retires = now.Add(MaxAge - time.Hour)
	list[1].Retires = now.Add(MaxAge + time.Hour)
	assert.Equal(t, []string{"gemini-2.5-flash", "gemini-2.5-flash-lite"}, discover(list, nil, now))
	assert.Equal(t, []string{"gemini-2.5-flash"}, discover(list, map[string]time.Time{"gemini-2.5-flash-lite": time.Unix(0, 0)}, now))
	assert.Equal(t, []string{"gemini-2.5-pro"}, discover(list[:1], nil, now))
}

func TestDiscoverIsBounded(t *testing.T) {
	var names []string
	for i := range 3 * scheduler.MaxModels {
		names = append(names, fmt.Sprintf("gemini-%d-flash", i), fmt.Sprintf("gemini-%d-pro-preview", i))
	}
	chain := discover(listed(names...), nil, time.Time{})
	assert.Len(t, chain, scheduler.MaxModels)
	assert.Equal(t, "gemini-47-flash", chain[0])
	assert.Equal(t, "gemini-32-flash", chain[scheduler.MaxModels-1])
}

// TestSessions: "auto" in a session is what the list says of its models, the newest first.
func TestSessions(t *testing.T) {
	bidi := func(names ...string) (out []upstream.Model) {
		for _, name := range names {
			out = append(out, upstream.Model{Name: name, Methods: []string{"countTokens", "bidiGenerateContent"}})
		}
		return out
	}
	now := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)
	leaving := bidi("gemini-3.8-live", "gemini-2.5-flash-native-audio-latest")
	leaving[0].Retires = now.Add(24 * time.Hour)
	for name, tc := range map[string]struct {
		list []upstream.Model
		want []string
	}{
		"a real list": {summer2026(), []string{"gemini-3.1-flash-live-preview", "gemini-2.5-flash-native-audio-latest"}},
		"names of 2025": {
			bidi("gemini-2.0-flash-live-001", "gemini-live-2.5-flash-preview", "gemini-2.5-flash-native-audio-preview-09-2025",
				"gemini-2.5-flash-native-audio-preview-12-2025", "gemini-2.5-flash-exp-native-audio-thinking-dialog", "gemini-2.0-flash-exp"),
			[]string{"gemini-live-2.5-flash-preview", "gemini-2.0-flash-live-001"},
		},
		"what comes":       {append(bidi("gemini-4-live", "gemini-3.5-transcribe-live", "gemini-3.10-live-preview"), summer2026()...), []string{"gemini-4-live", "gemini-3.10-live-preview", "gemini-3.1-flash-live-preview", "gemini-2.5-flash-native-audio-latest"}},
		"dated ones":       {bidi("gemini-2.5-flash-native-audio-preview-12-2025", "gemini-2.5-flash-native-audio-preview-09-2026"), []string{"gemini-2.5-flash-native-audio-preview-09-2026"}},
		"one leaves":       {leaving, []string{"gemini-2.5-flash-native-audio-latest"}},
		"all leave":        {leaving[:1], []string{"gemini-3.8-live"}},
		"none":             {listed("gemini-3.8-flash", "gemini-live-without-sessions-3"), nil},
		"without a number": {bidi("gemini-live"), nil},
	} {
		assert.Equal(t, tc.want, sessionsOf(tc.list, nil, now), name)
	}
	assert.Equal(t, []string{"gemini-3.1-flash-live-preview", "gemini-2.5-flash-native-audio-preview-12-2025"},
		sessionsOf(summer2026(), map[string]time.Time{"gemini-2.5-flash-native-audio-latest": now}, now), "an answer has said it")
}

func TestWindows(t *testing.T) {
	got := windows(append(listed("gemini-2.5-pro", "gemini-2.5-flash-image"),
		upstream.Model{Name: "gemini-1.5-pro", Methods: textMethods, InputTokenLimit: 2_000_000},
		upstream.Model{Name: "gemini-9-pro", Methods: textMethods},
		upstream.Model{Name: "gemini-embedding-001", Methods: []string{"embedContent", "countTokens"}, InputTokenLimit: 2048}))
	assert.Equal(t, map[string]int64{
		"gemini-2.5-pro": 1_048_576, "gemini-2.5-flash-image": 1_048_576, "gemini-1.5-pro": 2_000_000,
	}, got)
	var many []string
	for i := range 2 * maxWindows {
		many = append(many, fmt.Sprintf("gemini-%d-pro", i))
	}
	assert.Len(t, windows(listed(many...)), maxWindows)
}
