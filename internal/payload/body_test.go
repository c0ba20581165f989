package payload

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/race"
)

// What Google takes beyond the standard is read for what it means, however it is
// spelt. The shapes are those of Google's own REST samples (captured), and of the
// parsers that it published.
func TestReadIsAsLiberalAsGoogle(t *testing.T) {
	const file = `"fileData":{"fileUri":"files/a"}`
	for text, want := range map[string]struct {
		json      string // "": the body itself
		resources []string
	}{
		`{"a":{` + file + `}}`:                      {"", []string{"files/a"}},
		`{"contents":[{"parts":[{"text":"hi"}]},]}`: {`{"contents":[{"parts":[{"text":"hi"}]}]}`, nil},
		`{"a":1,}`:                                 {`{"a":1}`, nil},
		"{\"text\":\"two\nlines\t\"}":              {`{"text":"two\u000alines\u0009"}`, nil},
		`{'text':'it\'s "so"','b':'\u00e9'}`:       {`{"text":"it's \"so\"","b":"\u00e9"}`, nil},
		`{text:"a",$b_1:[true,null,-1.5e3],c-d:1}`: {`{"text":"a","$b_1":[true,null,-1.5e3],"c-d":1}`, nil},
		`{"a":,"b":[1,,2],"c":}`:                   {`{"a":null,"b":[1,null,2],"c":null}`, nil},
		`{"a":"\v\q\é\/\\"}` + "\v\f":              {`{"a":"\u000bqé/\\"}`, nil},
		`{"a":007,"b":0x1}`:                        {`{"a":0,"b":0}`, nil},
		`{'fileUri':'files/a'}`:                    {`{"fileUri":"files/a"}`, []string{"files/a"}},
		`{'x':"https://h/v1beta/files/a?b",}`:      {`{"x":"https://h/v1beta/files/a?b"}`, []string{"files/a"}},
		`{"x":{'files/k':["cachedContents/b"]},}`:  {`{"x":{"files/k":["cachedContents/b"]}}`, []string{"files/k", "cachedContents/b"}},
		`{"args":{"x":"\files\/a"},}`:              {`{"args":{"x":"\files/a"}}`, nil}, // \f is a form feed
		`{"args":{"x":"fi\les\/a"},}`:              {`{"args":{"x":"files/a"}}`, []string{"files/a"}},
		`{"a":"files/a","a":"files/b","a":'x'}`:    {`{"a":"files/a","a":"files/b","a":"x"}`, []string{"files/a", "files/b"}},
		`{"text":"see 'files/a'",}`:                {`{"text":"see 'files/a'"}`, nil}, // quoted by a prompt
	} {
		b, err := Read([]byte(text), plenty)
		require.NoError(t, err, text)
		if want.json == "" {
			want.json = text
		}
		assert.Equal(t, want.json, string(b.JSON), text)
		assert.Equal(t, text, string(b.Text))
		assert.Equal(t, want.resources, b.References.Resources, text)
		assert.Equal(t, len(want.resources) > 0, b.References.Media, text)
		assert.True(t, json.Valid(b.JSON))
	}
}

// What isn't understood goes out as it is, and counts for all that it could name.
func TestReadOfWhatIsNotUnderstood(t *testing.T) {
	for text, want := range map[string][]string{
		``: nil, ` `: nil, `hello`: nil, `{`: nil, `{"contents":[`: nil, `null`: nil, `[]`: nil, `"x"`: nil, `1`: nil,
		`["files/a",}`: {"files/a"}, `[{"fileUri":"files/a"}]`: {"files/a"}, `"files/a"`: {"files/a"},
		`{"a":[{}`:       nil,
		`{"a":1}{"b":2}`: nil,
		`{"a":"\u00zz"}`: nil,
		`{"a":1 /* it's */, "fileUri":"files/a"}`:                   {"files/a"},
		"{ // \"\n'fileUri':'files/a'}":                             {"files/a"},
		"\uFEFF{" + `"cachedContents/b"}`:                           {"cachedContents/b"},
		`{"x":"\U00000066iles/a" "fil\U0065s/b"}`:                   {"files/b"},
		`{"x":"\Ufiles/a","y":"https://h/v1beta\/fi\u006ces/c?d" }`: {"files/c"},
		`{"a":"files/a""files/b"'cachedContents/c#"}`:               {"files/a", "files/b", "cachedContents/c"},
		`{"\"files/a\"}`:                      {"files/a"},
		`{"files/a/b":"FILES/c" "%66iles/d"}`: {"files/a", "files/c", "files/d"}, // percent encoding may be an URL's, whose member isn't known
		`{"xfiles/a", "` + "files/" + strings.Repeat("a", 129) + `"}`: nil,
	} {
		b, err := Read([]byte(text), plenty)
		require.NoError(t, err, text)
		assert.Nil(t, b.JSON, text)
		assert.True(t, b.References.Media, "who knows what %s holds", text)
		assert.Equal(t, text, string(b.Known()))
		assert.Equal(t, want, b.References.Resources, text)
		assert.EqualValues(t, max(1, (len(text)+1)/2+pageTokens*len(want)), b.References.Estimate(), text)
	}
	for _, text := range []string{
		strings.Repeat(`{"a":`, 1000) + `1` + strings.Repeat(`}`, 1000), strings.Repeat(`[`, 1000) + strings.Repeat(`]`, 1000), strings.Repeat(`[`, 1000), `{'a':` + strings.Repeat(`[`, 1000),
	} {
		_, err := Read([]byte(text), plenty)
		assert.ErrorIs(t, err, ErrTooDeep, "%.40q", text)
	}
}

// However a body names more resources than anybody means, reading it ends with what to
// change, and keeps no more of them than it takes to know.
func TestReadBoundsTheNames(t *testing.T) {
	list := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `{"fileUri":"files/%d"},`, i)
		}
		return b.String() + `{"fileUri":"files/0"}`
	}
	for form, body := range map[string]string{"standard": `{"a":[%s]}`, "lenient": `{a:[%s,]}`, "unreadable": `{"a":[%s],"b":"\U0041"}`} {
		b, err := Read(fmt.Appendf(nil, body, list(maxResources)), plenty)
		require.NoError(t, err, form)
		assert.Len(t, b.References.Resources, maxResources, form)
		_, err = Read(fmt.Appendf(nil, body, list(maxResources+1)), plenty)
		assert.ErrorIs(t, err, ErrManyResources, form)
	}
	var n names
	for i := range 10 * maxResources {
		n.add(fmt.Sprint("files/", i))
	}
	assert.Len(t, n.list, maxResources+1)
	assert.Len(t, n.seen, maxResources+1)
}

// Names are found by hand as by these expressions, which take too long for a body
// that is full of what looks like one.
func TestNamesAreThoseOfTheExpressions(t *testing.T) {
	race.Skip(t)
	var (
		own     = regexp.MustCompile(`^(?:https?://[^/?#]+(?:/[^?#]*)?/v[0-9][a-z0-9]*/)?((?:files|cachedContents)/[A-Za-z0-9_-]{1,128})(?:[?#].*)?$`)
		mention = regexp.MustCompile(`(?:["']|/v[0-9][a-z0-9]*/)((?:files|cachedContents)/[A-Za-z0-9_-]{1,128})(?:[^A-Za-z0-9_-]|$)`)
		pieces  = []string{"files/", "cachedContents/", "a", "B-_9", "/", "v1", "/v1beta/", "/v", "http://", "https://h", "?", "#", "\"", "'", "\n", "\xff", "x", strings.Repeat("a", 127)}
		random  = rand.New(rand.NewPCG(1, 2))
	)
	var found, mentioned int
	for range 100_000 {
		var text string
		for range random.IntN(9) {
			text += pieces[random.IntN(len(pieces))]
		}
		var want string
		if m := own.FindStringSubmatch(text); m != nil {
			want = m[1]
			found++
		}
		require.Equal(t, want, ResourceName(text), "%q", text)
		var all, got names
		for rest := text; ; {
			at := mention.FindStringSubmatchIndex(rest)
			if at == nil {
				break
			}
			all.add(rest[at[2]:at[3]])
			rest = rest[at[2]:]
			mentioned++
		}
		got.addMentions([]byte(text))
		require.ElementsMatch(t, all.list, got.list, "%q", text)
	}
	assert.Greater(t, found, 100)
	assert.Greater(t, mentioned, 100)
}

func TestRenameModelInWhatGoogleTakes(t *testing.T) {
	for body, want := range map[string]string{
		`{'model':'auto','a':"model",}`:                 `{'model':"gemini-x",'a':"model",}`,
		`{model : "models/gemini-x", "b":[1,]}`:         `{model : "models/gemini-x", "b":[1,]}`,
		`{"model":"a","Model":"b","MO_DEL":"gemini-x"}`: `{"model":"gemini-x","Model":"gemini-x","MO_DEL":"gemini-x"}`,
		`{"mo\u0064el":,"b":{'model':'auto'},model:7,}`: `{"mo\u0064el":"gemini-x","b":{'model':'auto'},model:"gemini-x",}`,
	} {
		got, err := renameModel([]byte(body), "gemini-x")
		require.NoError(t, err)
		assert.Equal(t, want, string(got))
	}
	_, err := renameModel([]byte(`{"model":"auto"`), "gemini-x")
	assert.Error(t, err)
}

// A googleParser reads JSON as json_stream_parser.cc does in its most liberal
// settings; newer has escapes read as lexer.cc does, and comments has comments taken,
// in case that Google's own parser is yet another. It is written for being compared
// with that source, and shares nothing with the code under test.
type googleParser struct {
	in              string
	newer, comments bool
	depth           int
	strings         []string // all, names of members among them
	models          []string // the values of top-level members named "model", if they are strings
	longName        bool     // a member's name is longer than any is known here
}

type refused struct{}

// parse reports whether the text is taken.
func (p *googleParser) parse() (ok bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok = r.(refused); !ok {
				panic(r)
			}
			ok = false
		}
	}()
	p.blank()
	p.value("")
	p.blank()
	return p.in == ""
}

func (p *googleParser) no() { panic(refused{}) }

func (p *googleParser) blank() {
	for {
		p.in = strings.TrimLeft(p.in, " \t\n\v\f\r")
		switch {
		case p.comments && strings.HasPrefix(p.in, "/*"):
			_, rest, ok := strings.Cut(p.in[2:], "*/")
			if !ok {
				p.no()
			}
			p.in = rest
		case p.comments && (strings.HasPrefix(p.in, "//") || strings.HasPrefix(p.in, "#")):
			_, p.in, _ = strings.Cut(p.in, "\n")
		default:
			return
		}
	}
}

func (p *googleParser) have(s string) bool {
	rest, ok := strings.CutPrefix(p.in, s)
	p.in = rest
	return ok
}

func (p *googleParser) value(name string) {
	if p.depth > 100 {
		p.no()
	}
	switch {
	case p.have("{"):
		p.depth++
		for p.blank(); !p.have("}"); p.blank() {
			name := p.name()
			p.blank()
			if !p.have(":") {
				p.no()
			}
			p.blank()
			p.value(name)
			p.blank()
			if !p.have(",") && !strings.HasPrefix(p.in, "}") {
				p.no()
			}
		}
		p.depth--
	case p.have("["):
		p.depth++
		for p.blank(); !p.have("]"); p.blank() {
			p.value("")
			p.blank()
			if !p.have(",") && !strings.HasPrefix(p.in, "]") {
				p.no()
			}
		}
		p.depth--
	case p.in != "" && strings.ContainsAny(p.in[:1], `"'`):
		s := p.text()
		if p.depth == 1 && name == "model" {
			p.models = append(p.models, s)
		}
	case p.in != "" && strings.ContainsAny(p.in[:1], "-0123456789"):
		p.in = strings.TrimLeft(p.in, "0123456789.eE+-x")
	case p.have("true"), p.have("false"), p.have("null"):
	case strings.HasPrefix(p.in, ","), strings.HasPrefix(p.in, "}"):
	default:
		p.no()
	}
}

func (p *googleParser) name() string {
	whole := p.in
	defer func() { p.longName = p.longName || len(whole)-len(p.in) > maxName }()
	if p.in != "" && strings.ContainsAny(p.in[:1], `"'`) {
		return p.text()
	}
	end := strings.IndexAny(p.in, " \t\n\v\f\r\"'{}[]:,")
	if end < 1 || !strings.ContainsAny(strings.ToLower(p.in[:1]), "abcdefghijklmnopqrstuvwxyz_$") {
		p.no()
	}
	name := p.in[:end]
	p.in = p.in[end:]
	p.strings = append(p.strings, name)
	return name
}

func (p *googleParser) text() string {
	quote := p.in[0]
	p.in = p.in[1:]
	var s strings.Builder
	for {
		if p.in == "" {
			p.no()
		}
		c := p.in[0]
		p.in = p.in[1:]
		switch {
		case c == quote:
			p.strings = append(p.strings, s.String())
			return s.String()
		case c != '\\':
			s.WriteByte(c)
			continue
		case p.in == "":
			p.no()
		}
		c = p.in[0]
		p.in = p.in[1:]
		switch {
		case c == 'u', c == 'U' && p.newer:
			var code int
			if len(p.in) < 4 || strings.Trim(p.in[:4], "0123456789abcdefABCDEF") != "" {
				p.no()
			}
			_, _ = fmt.Sscanf(p.in[:4], "%x", &code)
			p.in = p.in[4:]
			s.WriteRune(rune(code))
		case strings.IndexByte("bfnrtv", c) >= 0:
			s.WriteByte("\b\f\n\r\t\v"[strings.IndexByte("bfnrtv", c)])
		default:
			s.WriteByte(c)
		}
	}
}

// FuzzRead: whatever a parser of Google's could read as the name of a resource is
// found, and a model that was replaced is gone for all of them.
func FuzzRead(f *testing.F) {
	seeds(f)
	for _, text := range []string{
		`{"contents":[{"parts":[{"text":"hi"}]},]}`, "{'a':'files/a\\'',b:\"\n\"}", `{"x":"\U0066iles/a",}`, `{a:"fi\les\/a"}`,
		"{/* \" */'fileUri':'cachedContents/a' // '\n}", `{"a":"https://h/v1beta/files/a?x",}`, `{"a":"\"files/a\"",}`, `{"model":'auto',model:"x",}`,
		`{"a":'https:\/\/h\/v1\/files\/a#\'','b':,}`, `{"args":{"files/a":["cachedContents/b",]}}`, `{# files/a` + "\n" + `"files/b":0x1}`,
		`{google_search :{},'goog\leMaps':1,"url\U005fcontext":[]}`, `{"google_search":{},"a":"\\"}`,
		`["files/a",]`, `{"a":"files/a"`, `{"a":"\\u0066iles/a","b":"\\\u0066iles/a",}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := Read(text, plenty)
		if err != nil {
			return
		}
		found := make(map[string]bool)
		for _, name := range b.References.Resources {
			found[name] = true
			if ResourceName(name) != name {
				t.Fatalf("resource %q", name)
			}
		}
		if b.JSON != nil && !json.Valid(b.JSON) {
			t.Fatalf("not JSON: %q", b.JSON)
		}
		for variant := range 4 {
			google := &googleParser{in: string(text), newer: variant&1 > 0, comments: variant&2 > 0}
			if !google.parse() {
				continue
			}
			if variant == 0 && b.JSON == nil && !google.longName && !strings.Contains(string(text), `\U`) && text[0] == '{' {
				t.Fatal("Google takes what isn't understood")
			}
			features := Features(text)
			for _, s := range google.strings {
				for _, x := range featureNames {
					spelt := Spells([]byte(s), x.name) && len(s) < maxFeature && !strings.ContainsFunc(s, func(r rune) bool { return r > '~' })
					if spelt && !slices.Contains(features, x.feature) {
						t.Fatalf("variant %d: %s was missed", variant, s)
					}
				}
				if name := ResourceName(s); name != "" && !found[name] && !json.Valid(text) {
					t.Fatalf("variant %d: %s was missed", variant, name)
				}
			}
			renamed, err := renameModel(text, "gemini-x")
			if err != nil || b.JSON == nil {
				continue // it isn't sent
			}
			google = &googleParser{in: string(renamed), newer: variant&1 > 0, comments: variant&2 > 0}
			if !google.parse() {
				t.Fatalf("variant %d: not taken any more: %q", variant, renamed)
			}
			for _, model := range google.models {
				if strings.TrimPrefix(model, "models/") != "gemini-x" {
					t.Fatalf("variant %d: still names %q", variant, model)
				}
			}
		}
	})
}
