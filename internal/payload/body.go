package payload

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf8"
)

// A Body is a request's body that passes through, as it came and as it is read.
type Body struct {
	// Text is what came, and what goes upstream.
	Text []byte
	// JSON means the same to Google and is JSON of the standard: Text itself where that
	// is. It is nil where it isn't known what Text means; Google, too, refuses that by
	// all that is published of its parsers.
	JSON []byte
	// References are what it refers to, and its size. Where Text isn't JSON of the
	// standard, they include whatever could be meant.
	References *References
}

// Read reads a body as liberally as Google does. It fails with ErrNotObject for what
// is JSON but no request, and for what no parser could take for an object, and with
// ErrManyResources. Any other
// nonsense is Google's to refuse, at the price of a slot: what is nonsense to it is
// not known for sure.
//
// What isn't JSON of the standard goes upstream with a project's key like anything
// else, so that what is missed here would be read there with that key. Therefore
// every string counts that looks like the name of a resource, wherever it stands and
// whatever the member is called. A request that only quotes such a name, in JSON that
// isn't the standard's, is refused where nobody owns the resource.
func Read(text []byte) (*Body, error) {
	refs, err := ReadReferences(text)
	switch {
	case err == nil:
		return &Body{Text: text, JSON: text, References: refs}, nil
	case errors.Is(err, ErrManyResources):
		return nil, err
	case errors.Is(err, errTooDeep), json.Valid(text), !object(text):
		return nil, ErrNotObject
	}
	var resources names
	if plain, ok := strictJSON(text, nil); ok {
		refs, err := ReadReferences(plain)
		if errors.Is(err, ErrManyResources) {
			return nil, err
		}
		if err == nil {
			resources.addStrings(plain)
			return &Body{Text: text, JSON: plain, References: refs.with(resources)}, resources.err()
		}
	}
	resources.addMentions(text)
	refs = &References{texts: int64(len(text)), Media: true} // what it holds isn't known
	return &Body{Text: text, References: refs.with(resources)}, resources.err()
}

// object reports whether a text may be an object to some parser: it has a beginning,
// where there may be comments or a byte order mark, and an end.
func object(text []byte) bool {
	start := bytes.TrimLeft(text, " \t\r\n\v\f\xef\xbb\xbf")
	return len(start) > 0 && bytes.IndexByte([]byte("{/#"), start[0]) >= 0 && bytes.IndexByte(start, '}') > 0
}

// Known returns JSON, and Text where there is none: nobody counts its tokens then.
func (b *Body) Known() []byte {
	if b.JSON == nil {
		return b.Text
	}
	return b.JSON
}

// with returns the references with these resources.
func (m *References) with(resources names) *References {
	m.Resources = resources.list
	m.Media = m.Media || len(resources.list) > 0
	return m
}

// addStrings adds the resources that the strings of a valid text name, names of
// members among them.
func (n *names) addStrings(text []byte) {
	t := lexer{text: text}
	for n.err() == nil {
		x := t.next()
		if x.kind == 0 {
			return
		}
		if s := x.meaning(); x.kind == '"' && mentionsResource(s) {
			n.add(ResourceName(string(s)))
		}
	}
}

// addMentions adds the resources that a text of unknown format may name: what looks
// like a name of one, from a quote or a version to a quote or what may follow in a
// URL, with its escapes read as either parser reads them.
func (n *names) addMentions(text []byte) {
	for _, long := range []bool{false, true} {
		if long && !bytes.Contains(text, []byte(`\U`)) {
			return
		}
		plain := unescaped(text, long)
		for _, kind := range resourceKinds {
			n.addKind(plain, kind)
		}
	}
}

// addKind adds the mentions of one kind in a text without escapes.
func (n *names) addKind(text []byte, kind string) {
	for at := 0; n.err() == nil; {
		i := bytes.Index(text[at:], []byte(kind))
		if i < 0 {
			return
		}
		begin := at + i
		id := begin + len(kind)
		at = id
		for at < len(text) && idByte(text[at]) {
			at++
		}
		if at == id || at-id > maxResourceID || at == len(text) || bytes.IndexByte([]byte(`"'?#`), text[at]) < 0 {
			continue
		}
		if before := text[:begin]; endsInQuote(before) || endsInVersion(before) {
			n.add(string(text[begin:at]))
		}
	}
}

func endsInQuote(text []byte) bool {
	return len(text) > 0 && (text[len(text)-1] == '"' || text[len(text)-1] == '\'')
}

// endsInVersion reports whether a text ends with the path of a version of the API.
func endsInVersion(text []byte) bool {
	rest, ok := bytes.CutSuffix(text, []byte("/"))
	if !ok {
		return false
	}
	from := len(rest)
	for from > 0 && versionByte(rest[from-1]) {
		from--
	}
	return from > 0 && rest[from-1] == '/' && isVersion(string(rest[from:min(from+2, len(rest))]))
}

// unescaped returns a text without its escapes, whether they are in strings or not;
// long has \U read as a code.
func unescaped(text []byte, long bool) []byte {
	out := make([]byte, 0, len(text))
	for {
		at := bytes.IndexByte(text, '\\')
		if at < 0 || at+1 == len(text) {
			return append(out, text...)
		}
		out = append(out, text[:at]...)
		c, rest := text[at+1], text[at+2:]
		if (c == 'u' || c == 'U' && long) && isHex(rest) {
			code, _ := strconv.ParseUint(string(rest[:4]), 16, 16) // it is hexadecimal
			out, rest = utf8.AppendRune(out, rune(code)), rest[4:]
		} else {
			out = append(out, c) // a line break, say, is no part of a name either way
		}
		text = rest
	}
}
