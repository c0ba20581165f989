package server_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/geminisim/tokeniser"
)

// The first bytes of some formats are all that sniffing needs.
var (
	png  = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
	jpeg = "\xff\xd8\xff\xe0\x00\x10JFIF\x00"
	pdf  = "%PDF-1.7\n"
)

// sentBody is what Gemini gets, as far as the tests look at it.
type sentBody struct {
	Contents []struct {
		Parts []struct {
			Text       string `json:"text"`
			InlineData *struct {
				MIMEType string `json:"mimeType"`
				Data     []byte `json:"data"`
			} `json:"inlineData"`
		} `json:"parts"`
	} `json:"contents"`
	SystemInstruction *struct {
		Parts []struct{ Text string } `json:"parts"`
	} `json:"systemInstruction"`
	GenerationConfig struct {
		MaxOutputTokens *int     `json:"maxOutputTokens"`
		Temperature     *float64 `json:"temperature"`
	} `json:"generationConfig"`
}

// The defaults are gemini-flux's own: an unmodified caller must get the same
// answers as before.
func TestGenerateDefaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		a := w.generate("Guten Morgen", "")
		var raw map[string]json.RawMessage
		a.decode(&raw)
		assert.ElementsMatch(t, []string{"response", "key_used", "model_used", "tokens_used", "wait_applied", "retried"},
			slices.Collect(maps.Keys(raw)))
		assert.Equal(t, reply{
			Response: geminisim.Translate("Guten Morgen"), KeyUsed: 1, ModelUsed: pro,
			TokensUsed: tokeniser.Count("Guten Morgen"),
		}, a.ok())

		var sent sentBody
		w.sent.last(t, &sent)
		require.Len(t, sent.Contents, 1)
		require.Len(t, sent.Contents[0].Parts, 1)
		assert.Equal(t, "Guten Morgen", sent.Contents[0].Parts[0].Text)
		assert.Nil(t, sent.SystemInstruction)
		assert.Equal(t, 1000, *sent.GenerationConfig.MaxOutputTokens)
		assert.InDelta(t, 0.7, *sent.GenerationConfig.Temperature, 1e-6)
	})
}

func TestGenerateEveryField(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{keys: projects("alpha", "beta", "gamma")})
		std, url := base64.StdEncoding.EncodeToString, base64.RawURLEncoding.EncodeToString
		a := w.generate("look", fmt.Sprintf(`"images":[%q,%q,%q],"files":[%q,%q],"mode":"pro_only","preferred_key":2,
			"max_tokens":50,"temperature":0,"timeout":10,"retry":false,"system":"Be brief","model":"models/gemini-2.5-flash","max_wait":0`,
			std([]byte(png)), "data:image/webp;base64,"+std([]byte(jpeg)), url([]byte(png)),
			// Mail programs break base64 into lines.
			std([]byte(pdf))[:4]+"\r\n"+std([]byte(pdf))[4:],
			// What can't be told from the bytes is what the data: URL says.
			"data:audio/pcm;rate=16000;base64,"+std([]byte{0, 1, 0, 255, 0, 254})))
		out := a.ok()
		assert.Equal(t, 2, out.KeyUsed)
		assert.Equal(t, flash, out.ModelUsed, "a pinned model wins over the mode")

		var sent sentBody
		w.sent.last(t, &sent)
		kinds := []string{}
		for _, p := range sent.Contents[0].Parts[1:] {
			kinds = append(kinds, p.InlineData.MIMEType)
		}
		assert.Equal(t, []string{"image/png", "image/jpeg", "image/png", "application/pdf", "audio/pcm"}, kinds,
			"images before files, each in its order, as sniffed and not as claimed")
		assert.Equal(t, pdf, string(sent.Contents[0].Parts[4].InlineData.Data))
		assert.Equal(t, "Be brief", sent.SystemInstruction.Parts[0].Text)
		assert.Equal(t, 50, *sent.GenerationConfig.MaxOutputTokens)
		assert.Zero(t, *sent.GenerationConfig.Temperature, "0 is a temperature, not its absence")
	})
}

// 0 is for an answer as long as the model gives.
func TestGenerateWithoutACap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.generate("hello", `"max_tokens":0`).ok()
		var sent sentBody
		w.sent.last(t, &sent)
		assert.Nil(t, sent.GenerationConfig.MaxOutputTokens)
	})
}

// gemini-flux's client sends null for what isn't set.
func TestGenerateNullsAreDefaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.generate("hello", `"images":[],"files":[],"mode":null,"preferred_key":null,"max_tokens":1000,"temperature":0.7,"retry":true`).ok()
		w.generate("hello", `"images":null,"files":null,"max_tokens":null,"temperature":null,"timeout":null,"retry":null,
			"system":null,"model":null,"max_wait":null`).ok()
		w.generate("hello", `"model":"auto"`).ok()
		var sent sentBody
		w.sent.last(t, &sent)
		assert.Equal(t, 1000, *sent.GenerationConfig.MaxOutputTokens)
	})
}

func TestGenerateImageWithoutPrompt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.do("POST", "/generate", fmt.Sprintf(`{"images":[%q]}`, base64.StdEncoding.EncodeToString([]byte(png)))).ok()
	})
}

func TestGenerateModeFiltersTheChain(t *testing.T) {
	for mode, model := range map[string]string{
		"both": pro, "pro_only": pro, "flash_only": flash, "flash_lite_only": "gemini-2.5-flash-lite",
	} {
		t.Run(mode, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, setup{env: []string{"GEMINI_MODE=flash_only"}})
				assert.Equal(t, model, w.generate("hello", fmt.Sprintf(`"mode":%q`, mode)).ok().ModelUsed)
				assert.Equal(t, flash, w.generate("hello again", "").ok().ModelUsed, "a request's mode is its own")
			})
		})
	}
}

// A thinking model may use up max_tokens before it says anything; an empty
// response without a reason would leave the caller in the dark.
func TestGenerateSaysWhyAnAnswerIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		out := w.generate(strings.Repeat("many words ", 20), `"max_tokens":3`).ok()
		assert.Equal(t, "MAX_TOKENS", out.FinishReason)
		assert.Empty(t, w.generate("hello", "").ok().FinishReason, "a whole answer needs no reason")
	})
}

func TestPreferredKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{keys: projects("alpha", "beta", "gamma")})
		for i := range 5 {
			assert.Equal(t, 2, w.generate(fmt.Sprint("prompt ", i), `"preferred_key":2`).ok().KeyUsed)
		}
		// It is usable and busy: waiting for it is what was asked for.
		assert.Positive(t, w.generate("one more", `"preferred_key":2`).wait())
		// As in gemini-flux, one that isn't there is as good as none.
		w.generate("elsewhere", `"preferred_key":99`).ok()
		w.do("POST", "/config", `{"disable_key":2}`)
		assert.NotEqual(t, 2, w.generate("elsewhere too", `"preferred_key":2`).ok().KeyUsed)
	})
}

// A preferred key that can't be used must not tie the request to its project,
// where another key is still usable.
func TestPreferredKeyThatIsDisabledDoesNotPinItsProject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{keys: []geminisim.Key{key(1, "alpha"), key(2, "alpha"), key(3, "beta")}})
		w.do("POST", "/config", `{"disable_key":1}`)
		for i := range 5 {
			w.generate(fmt.Sprint("fills alpha ", i), `"preferred_key":2`).ok()
		}
		assert.Equal(t, 3, w.generate("goes to beta", `"preferred_key":1`).ok().KeyUsed)
	})
}

func TestMaxWaitComputesTheFallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		for i := range 5 {
			assert.Equal(t, pro, w.generate(fmt.Sprint("prompt ", i), "").ok().ModelUsed)
		}
		assert.Positive(t, w.generate("waits for pro", "").wait(), "without max_wait the model of the day is waited for")
		assert.Equal(t, flash, w.generate("now", `"max_wait":0`).ok().ModelUsed)
		assert.Positive(t, w.generate("can wait", `"max_wait":120`).wait())
	})
}
