package sizes

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// picture returns an image in base64.
func picture(t testing.TB, kind string, width, height int) string {
	t.Helper()
	var b bytes.Buffer
	m := image.NewPaletted(image.Rect(0, 0, width, height), color.Palette{color.Black})
	switch kind {
	case "png":
		require.NoError(t, png.Encode(&b, m))
	case "jpeg":
		require.NoError(t, jpeg.Encode(&b, m, nil))
	case "gif":
		require.NoError(t, gif.Encode(&b, m, nil))
	}
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

// chat is a chat of one message.
func chat(content string) string {
	return `{"model":"m","temperature":0.5,"messages":[{"role":"user","content":` + content + `}]}`
}

// framed is what a chat of one message has beside its content.
const framedLikely, framedMost = 2 * messageLikely, 2 * messageMost

func TestOf(t *testing.T) {
	plain := strings.Repeat("seven b", 100) // 700 bytes
	chinese := strings.Repeat("字", 100)
	for _, c := range []struct {
		name, body   string
		likely, most int64 // beyond framed
		characters   int64
		open         bool
	}{
		{"a text", chat(`"` + plain + `"`), 201, 700, 700, false},
		{"in parts", chat(`[{"type":"text","text":"` + plain + `"},{"type":"text","text":"` + plain + `","cache_control":{"type":"ephemeral"}}]`), 401, 1400, 1400, false},
		{"another script", chat(`"` + chinese + `"`), 150, 300, 100, false},
		{"the same in escapes", chat(`"` + strings.Repeat(`\u5b57`, 100) + `"`), 150, 300, 100, false},
		{"escapes of ASCII", chat(`"` + strings.Repeat(`\n\"\u0041`, 100) + `"`), 86, 300, 300, false},
		{"half characters in escapes", chat(`"\ud83d\ude00é"`), 3, 6, 3, false},
		{"a system prompt", `{"system":[{"type":"text","text":"` + plain + `"}],"messages":[{"role":"user","content":""}]}`, 201, 700, 700, false},
		{"instructions and an input", `{"instructions":"` + plain + `","input":"` + plain + `"}`, 401 - messageLikely, 1400 - messageMost, 1400, false},
		{"texts to embed", `{"input":["` + plain + `","` + plain + `"]}`, 401 - messageLikely, 1400 - messageMost, 1400, false},
		{"tokens to embed", `{"input":[[1,2,3],[4,5]]}`, 5 - messageLikely, 5 - messageMost, 0, false},
		{"tokens of one text", `{"input":[1,2,3]}`, 3 - messageLikely, 3 - messageMost, 0, false},
		{"prompts by their tokens", `{"prompt":[[1,2,3],[4,5]]}`, 5 - messageLikely, 5 - messageMost, 0, false},
		{"what an answer goes before", `{"prompt":"` + plain + `","suffix":"` + plain + `"}`, 401 - messageLikely, 1400 - messageMost, 1400, false},
		{"an image to moderate", `{"input":[{"type":"text","text":"hi"},{"type":"image_url","image_url":{"url":"` + strings.Repeat("QUJD", 8000) + `"}}]}`, 1660 + messageLikely, 36_002 + messageMost, 2, false},
		{"a call of a tool", `{"messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"c"}]}]}`, 4, 12, 12, false},
		{"a tool's result", chat(`[{"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"` + plain + `"}]}]`), 201 + messageLikely, 700 + messageMost, 700, false},
		{"a tool", `{"messages":[{"role":"user","content":""}],"tools":[{"type":"function","function":{}}]}`, 11 + toolLikely, 35 + toolMost, 35, false},
		{"a provider's own tool", `{"messages":[{"role":"user","content":""}],"tools":[{"type":"web_search"}]}`, 7 + toolLikely, 23 + toolMost, 23, true},
		{"a response that goes on", `{"input":[{"role":"user","content":"hi"}],"previous_response_id":"resp_1"}`, 1, 2, 2, true},
		{"a file by its name", chat(`[{"type":"file","file":{"file_id":"file-1"}}]`), 3000, 0, 0, true},
		{"a document", chat(`[{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"` + strings.Repeat("QUJD", 32<<10) + `"}}]`), 4 * 3000, 0, 0, true},
		{"a document of text", chat(`[{"type":"document","source":{"type":"text","data":"` + plain + `"}}]`), 201, 700, 700, false},
		{"speech", chat(`[{"type":"input_audio","input_audio":{"data":"` + strings.Repeat("QUJD", 8000) + `","format":"mp3"}}]`), 30, 0, 0, true},
		{"settings", `{"model":"` + plain + `","user":"` + plain + `","messages":[{"role":"user","content":""}],"metadata":{"a":"` + plain + `"}}`, 0, 0, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.True(t, json.Valid([]byte(c.body)))
			got := Of([]byte(c.body), "m")
			assert.Equal(t, Size{max(1, c.likely+framedLikely), c.most + framedMost, c.characters, c.open}, got)
		})
	}
	assert.Equal(t, Size{Likely: 4, Most: 16}, Of([]byte(`{}`), ""))
	tools := `{"messages":[],"tools":[{"name":"f"}]}`
	assert.Equal(t, Of([]byte(tools), "m").Likely+toolsLikely, Of([]byte(tools), "claude-opus-5").Likely, "Anthropic's instructions for tools")
}

// TestImages: examples of the providers' guides.
func TestImages(t *testing.T) {
	for _, c := range []struct {
		model         string
		width, height int
		low           bool
		likely, most  int64
	}{
		{"claude-opus-5", 200, 200, false, 64, 64}, // platform.claude.com/docs/en/build-with-claude/vision
		{"claude-opus-5", 1000, 1000, false, 1296, 1296},
		{"claude-opus-5", 1920, 1080, false, 2691, 2691},
		{"anthropic/claude-opus-5", 3840, 2160, false, 4784, 4784},
		{"gpt-4o-mini", 1024, 1024, false, 2833 + 4*5667, 2833 + 4*5667}, // developers.openai.com/api/docs/guides/images-vision: 85, 765 and 1105 tokens of gpt-4o are these tiles
		{"gpt-4o-mini", 2048, 4096, false, 2833 + 6*5667, 2833 + 6*5667},
		{"gpt-4o-mini", 4096, 8192, true, 2833, 2833},
		{"gpt-5.5", 1024, 1024, false, 1659, 2520},
		{"gpt-5.5", 64, 64, false, 255, 255},
		{"gpt-5.5", 64, 64, true, 85, 85},
		{"gpt-5.5", 1 << 14, 1 << 14, false, 2489, 36_000},
	} {
		likely, most := imagesOf(c.model).tokens(c.width, c.height, c.low)
		assert.Equal(t, []int64{c.likely, c.most}, []int64{likely, most}, "%+v", c)
	}
	for _, kind := range []string{"png", "jpeg", "gif"} {
		data := picture(t, kind, 700, 1400)
		for _, part := range []string{
			`{"type":"image","source":{"type":"base64","media_type":"image/` + kind + `","data":"` + data + `"}}`,
			`{"type":"image_url","image_url":{"url":"data:image/` + kind + `;base64,` + data + `","detail":"high"}}`,
			`{"type":"input_image","image_url":"data:image/` + kind + `;base64,` + data + `"}`,
		} {
			assert.Equal(t, Size{Likely: 1250 + framedLikely, Most: 1250 + framedMost}, Of([]byte(chat("["+part+"]")), "claude-opus-5"), "%s: %.40s", kind, part)
		}
	}
	byURL := chat(`[{"type":"image_url","image_url":{"url":"https://example.com/cat.png"}}]`)
	assert.Equal(t, Size{Likely: 1369 + framedLikely, Most: 4784 + framedMost}, Of([]byte(byURL), "claude-opus-5"))
	assert.Equal(t, Size{Likely: 1659 + framedLikely, Most: 36_000 + framedMost}, Of([]byte(byURL), "gpt-5.5"))
	assert.EqualValues(t, 2833+8*5667+framedMost, Of([]byte(byURL), "gpt-4o-mini").Most)
	assert.Equal(t, Of([]byte(byURL), "gpt-5.5"), Of([]byte(`{"input":[{"type":"input_image","image_url":"https://example.com/cat.png"}]}`), "gpt-5.5"), "an item by itself")
}

// TestPixels: WebP's three forms, and what has no size.
func TestPixels(t *testing.T) {
	webp := func(kind string, rest ...byte) string {
		b := append([]byte("RIFF\x00\x00\x00\x00WEBP"+kind+"\x00\x00\x00\x00"), rest...)
		return `"` + base64.StdEncoding.EncodeToString(append(b, make([]byte, 16)...)) + `"`
	}
	for text, want := range map[string][2]int{
		webp("VP8 ", 0, 0, 0, 0x9d, 1, 0x2a, 0x20, 0x03, 0x58, 0x02):                                     {800, 600},
		webp("VP8L", 0x2f, 0x1f, 0xc3, 0x95, 0x00):                                                       {800, 600},
		webp("VP8X", 0, 0, 0, 0, 0x1f, 0x03, 0, 0x57, 0x02, 0):                                           {800, 600},
		`"data:image/webp;base64,` + strings.Trim(webp("VP8X", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), `"`) + `"`: {1, 1},
	} {
		w, h, ok := pixels([]byte(text))
		assert.True(t, ok, text)
		assert.Equal(t, want, [2]int{w, h}, text)
	}
	for _, text := range []string{"", `"`, `""`, "null", `"https://example.com/cat.png"`, `"data:image/png;base64"`, `"data:,"`, `"QUJDRA=="`, `"` + strings.Repeat("A", 300<<10) + `"`} {
		_, _, ok := pixels([]byte(text))
		assert.False(t, ok, "%.40s", text)
	}
}

// TestMostIsNoLess: Most is no less than what the tokenisers of these providers make of texts, as
// they were published (github.com/openai/openai-cookbook, How to count tokens), with what a message
// has beside.
func TestMostIsNoLess(t *testing.T) {
	for text, tokens := range map[string]int64{
		"antidisestablishmentarianism": 6, "2 + 2 = 4": 7, "お誕生日おめでとう": 9, "": 0,
	} {
		s := Of([]byte(chat(strconv.Quote(text))), "gpt-5.5")
		assert.GreaterOrEqual(t, s.Most, tokens+2*3, text)
		assert.GreaterOrEqual(t, s.Likely, tokens+2*3-2, text)
	}
}

// TestLarge: a body of many megabytes costs no copy of it.
func TestLarge(t *testing.T) {
	body := []byte(chat(`[{"type":"text","text":"` + strings.Repeat(`many \"words\" `, 1<<17) + `"},{"type":"image","source":{"data":"` + strings.Repeat("QUJD", 1<<18) + `"}}]`))
	allocated := testing.AllocsPerRun(1, func() { Of(body, "claude-opus-5") })
	assert.Less(t, allocated, 1000.0)
}

// TestNested: parts within parts are looked through as deep as requests have them. What is deeper counts as it stands: each
// level would be read once more for its kind, and a body of 5 MB in 97 of them took 12 s.
func TestNested(t *testing.T) {
	picture := `{"type":"image","source":{"type":"base64","data":"` + picture(t, "png", 700, 1400) + `"}}`
	for open, end := range map[string]string{
		`{"type":"tool_result","content":[`:                         `]}`,
		`{"type":"search_result","content":[`:                       `]}`,
		`{"type":"document","source":{"type":"content","content":[`: `]}}`,
	} {
		nested := func(depth int) Size {
			return Of([]byte(chat("["+strings.Repeat(open, depth)+picture+strings.Repeat(end, depth)+"]")), "claude-opus-5")
		}
		assert.GreaterOrEqual(t, nested(3).Likely, int64(1250), open)
		assert.Less(t, nested(3).Likely, int64(1350), open)
		assert.False(t, nested(3).Open, open)
		for _, depth := range []int{8, 50} {
			size := nested(depth)
			assert.True(t, size.Open, "%d times %s", depth, open)
			assert.NotEqual(t, nested(3).Likely+int64(depth-3)*messageLikely, size.Likely)
			assert.InDelta(t, (len(picture)+(depth-maxWithin)*len(open+end))*perASCII/1000, size.Likely, 200, "%d times %s", depth, open)
		}
	}
}

// TestManyMembers: those of a part are not gathered.
func TestManyMembers(t *testing.T) {
	part := []byte(`{"type":"image_url","image_url":{` + strings.Repeat(`"x":"",`, 1<<12) + `"url":"data:,that is longest"}}`)
	var found []byte
	allocated := testing.AllocsPerRun(1, func() { found = dataOf(part) })
	assert.Equal(t, `"data:,that is longest"`, string(found))
	assert.Less(t, allocated, 4.0)
}

// FuzzOf: any JSON has a size that can be, and what is likely is no more than the most.
func FuzzOf(f *testing.F) {
	f.Add([]byte(chat(`"hi \u00e9\ud83d"`)), "gpt-5.5")
	f.Add([]byte(chat(`[{"type":"image","source":{"data":"`+picture(f, "png", 3, 5)+`"}},1,"x",null,[]]`)), "claude-opus-5")
	f.Add([]byte(`{"input":[1,[2],"x",{"type":"input_image"},{"type":"item_reference"}],"prompt":{},"tools":[{"type":1},2],"system":3}`), "gpt-4o-mini")
	f.Fuzz(func(t *testing.T, body []byte, model string) {
		if !json.Valid(body) {
			return
		}
		s := Of(body, model)
		assert.GreaterOrEqual(t, s.Likely, int64(1))
		assert.GreaterOrEqual(t, s.Most, int64(1))
		assert.GreaterOrEqual(t, s.Characters, int64(0))
		if !s.Open {
			assert.LessOrEqual(t, s.Likely, s.Most)
		}
	})
}
