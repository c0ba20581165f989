package payload

import (
	"bytes"
	"slices"
	"strings"

	"fluxgate.dev/fluxgate/internal/payload/escape"
)

// resourceKinds begin the names of what belongs to a project.
var resourceKinds = []string{"files/", "cachedContents/", storeKind}

// storeKind begins the names of stores for file search.
const storeKind = "fileSearchStores/"

// areMedia reports whether resources are read with a request: a store is only searched.
func areMedia(names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return !strings.HasPrefix(name, storeKind) })
}

// namesResource reports whether a text may be a name of one.
func namesResource(text []byte) bool {
	return slices.ContainsFunc(resourceKinds, func(kind string) bool { return bytes.Contains(text, []byte(kind)) })
}

// maxResourceID bounds what follows, in bytes.
const maxResourceID = 128

// ResourceName returns the name of the project's resource that a URI or name by which
// upstream refers to it means, or "" for anything else. Files elsewhere may be
// mentioned too, by URLs that need no project.
func ResourceName(text string) string {
	if end := strings.IndexAny(text, "?#"); end >= 0 {
		if strings.Contains(text[end:], "\n") {
			return ""
		}
		text = text[:end]
	}
	id := strings.LastIndexByte(text, '/') + 1
	if n := len(text) - id; n < 1 || n > maxResourceID {
		return ""
	}
	for _, kind := range resourceKinds {
		before, ok := strings.CutSuffix(text[:id], kind)
		if !ok || before != "" && !isVersionURL(before) {
			continue
		}
		for i := id; i < len(text); i++ {
			if !idByte(text[i]) {
				return ""
			}
		}
		return text[len(before):]
	}
	return ""
}

// isVersionURL reports whether a text is the URL of a version of the API, with a
// slash at its end.
func isVersionURL(text string) bool {
	rest, ok := strings.CutPrefix(text, "https://")
	if !ok {
		rest, ok = strings.CutPrefix(text, "http://")
	}
	rest, slash := strings.CutSuffix(rest, "/")
	host := strings.LastIndexByte(rest, '/')
	return ok && slash && host > 0 && rest[0] != '/' && isVersion(rest[host+1:])
}

// isVersion reports whether a text is a version of the API, such as v1beta.
func isVersion(text string) bool {
	if len(text) < 2 || text[0] != 'v' || text[1] < '0' || text[1] > '9' {
		return false
	}
	for i := 2; i < len(text); i++ {
		if !versionByte(text[i]) {
			return false
		}
	}
	return true
}

func versionByte(b byte) bool { return 'a' <= b && b <= 'z' || '0' <= b && b <= '9' }

func idByte(b byte) bool { return b == '-' || wordByte(b) }

// ValidResource reports whether an ID is one that upstream gives out: it becomes
// part of a path.
func ValidResource(id string) bool { return ResourceName("files/"+id) == "files/"+id }

// names are names in the order in which they came, each once, and at most one more
// than maxResources.
type names struct {
	list []string
	seen map[string]bool
}

// add adds a name, unless it is empty.
func (n *names) add(name string) {
	if name == "" || n.seen[name] || n.err() != nil {
		return
	}
	if n.seen == nil {
		n.seen = make(map[string]bool)
	}
	n.seen[name] = true
	n.list = append(n.list, name)
}

// err returns ErrManyResources if there are too many.
func (n *names) err() error {
	if len(n.list) > maxResources {
		return ErrManyResources
	}
	return nil
}

// addStrings adds the resources that the strings of a valid text may refer to, names
// of members among them.
func (n *names) addStrings(text []byte) {
	t := lexer{text: text}
	for x := t.next(); x.kind != 0 && n.err() == nil; x = t.next() {
		switch {
		case x.kind != '"':
		case len(x.text) > maxReference:
			n.addText(x)
		default:
			s := x.meaning()
			if namesResource(s) {
				n.add(ResourceName(string(s)))
			}
			if IsWord(s) {
				n.addReference(s)
			}
		}
	}
}

// addText adds the resources that a string may mean which refers to something.
func (n *names) addText(x token) {
	switch {
	case len(x.text) <= maxReference:
		n.addReference(x.meaning())
	case x.escaped || namesResource(x.text):
		n.add(ResourceName(string(escape.Ends(x.text))))
	}
}

// maxWord bounds what may be a reference in a place where it isn't known to be one.
const maxWord = 2048

// IsWord reports whether a text may be a name or an URL and nothing else.
func IsWord(text []byte) bool { return len(text) <= maxWord && isWord(text) }

func isWord(text []byte) bool {
	text = bytes.TrimSpace(text)
	other := func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"'()<>{},;`, r) }
	return bytes.ContainsAny(text, `/\%`) && !bytes.ContainsFunc(text, other)
}

// refers reports whether the value of a member of that name may refer to a resource.
// Which members do so is upstream's to know, and how it reads their names too
// (protobuf's parser has taken fileUri, file_uri and FileUri for one).
func refers(member []byte) bool {
	return slices.ContainsFunc(referring, func(word string) bool { return spellsPart(member, word) })
}

// mayBeOnDisk reports whether a member of that name may have the name of a file on the caller's disk.
func mayBeOnDisk(member []byte) bool {
	return spellsPart(member, "name") && !spellsPart(member, "store")
}

// Refers reports whether the value of a member of that name is looked through for resources however
// they are spelt: that is what refers is in NamesIn.
func Refers(member []byte) bool { return refers(member) && !mayBeOnDisk(member) }

// NamesIn returns the resources that a string refers to if it is the name of one, or, if its member
// refers, has one in it.
func NamesIn(text []byte, refers bool) []string {
	var n names
	if bytes.IndexByte(text, '/') >= 0 {
		n.add(ResourceName(string(text)))
	}
	if refers {
		n.addReference(text)
	}
	return n.list
}

// MentionsIn returns the resources that a text of unknown format may name.
func MentionsIn(text []byte) []string {
	var n names
	n.addUnknown(text)
	return n.list
}

// referring are parts of the names of members that refer to something.
var referring = []string{"uri", "url", "file", "cache"}

// maxDecoded is how many times over a reference may be percent encoded.
const maxDecoded = 3

// maxReference is how long a reference is looked through, in bytes; longer ones are data.
const maxReference = 16 << 10

// addReference adds the resources that a reference may mean to upstream, however it is
// spelled: what is missed here would be read with the project's key. So every name in
// it counts, but in the URL of a host that isn't Google's only one behind a version of
// the API: other files elsewhere need no project.
func (n *names) addReference(reference []byte) {
	if !bytes.ContainsAny(reference, `/\%`) {
		return // nor does it once it is decoded
	}
	text := string(reference)
	for range maxDecoded {
		begins := beginsWord
		if elsewhere(text) {
			begins = endsInVersion
		}
		n.addNames(onePath(text, false), begins)
		n.addNames(onePath(text, true), begins)
		plain := escape.Unpercented(text)
		if plain == text {
			return
		}
		text = plain
	}
}

// elsewhere reports whether a text is the URL of a host that isn't Google's.
func elsewhere(text string) bool {
	return strings.Contains(text, "://") && !strings.Contains(strings.ToLower(text), "googleapis")
}

// onePath returns a text with single slashes, and without blanks and control
// characters if those are to go: readers of URLs leave some of them out.
func onePath(text string, dense bool) []byte {
	out := make([]byte, 0, len(text))
	for _, c := range []byte(text) {
		if c == '\\' {
			c = '/'
		}
		if dense && (c <= ' ' || c == 0x7f) || c == '/' && len(out) > 0 && out[len(out)-1] == '/' {
			continue
		}
		out = append(out, c)
	}
	return out
}

// addUnknown adds the resources that a text of unknown format may name, be it in UTF-8, or in UTF-16 or UTF-32,
// whose letters have zeros between them: by what looks like a name, and by what stands alone between quotes.
func (n *names) addUnknown(text []byte) {
	n.addMentions(text)
	n.addWords(text)
	if bytes.IndexByte(text, 0) < 0 {
		return
	}
	for len(text) > 0 && n.err() == nil {
		piece := bytes.ReplaceAll(text[:min(len(text), escape.WindowSize)], []byte{0}, nil)
		n.addMentions(piece)
		n.addWords(piece)
		text = text[min(len(text), escape.WindowSize-8*escape.Overlap):]
	}
}

// addWords adds the resources that what stands between quotes may mean, where that is a word.
func (n *names) addWords(text []byte) {
	quotes := func(r rune) bool { return r == '"' || r == '\'' }
	for quoted := range bytes.FieldsFuncSeq(text, quotes) {
		if len(quoted) > maxReference || !bytes.ContainsAny(quoted, `/\%`) || n.err() != nil {
			continue
		}
		word, _ := escape.Escapes{Controls: true}.Resolve(nil, quoted, true)
		if word = bytes.Map(visible, word); isWord(word) {
			n.addReference(word)
		}
	}
}

// visible is for bytes.Map: it takes out what readers of URLs leave out, but for blanks.
func visible(r rune) rune {
	if r < ' ' || r == 0x7f {
		return -1
	}
	return r
}

// addMentions adds the resources that a text of unknown format may name: what looks
// like a name of one, behind a quote or a version, with its escapes read as either
// parser reads them.
func (n *names) addMentions(text []byte) {
	begins := func(before []byte) bool { return endsInQuote(before) || endsInVersion(before) }
	for _, long := range []bool{false, true} {
		if long && !bytes.Contains(text, []byte(`\U`)) {
			return
		}
		for plain := range escape.Windows(text, escape.Escapes{Long: long}.Resolve) {
			n.addNames(plain, begins)
		}
	}
}

// addNames adds the names in a text without escapes, whatever the case of their kind,
// that begin behind what begins says.
func (n *names) addNames(text []byte, begins func(before []byte) bool) {
	for from := 0; n.err() == nil; {
		slash := bytes.IndexByte(text[from:], '/')
		if slash < 0 {
			return
		}
		id := from + slash + 1
		end := id
		for end < len(text) && idByte(text[end]) {
			end++
		}
		from = end
		if end == id || end-id > maxResourceID {
			continue
		}
		for _, kind := range resourceKinds {
			begin := id - len(kind)
			if begin >= 0 && bytes.EqualFold(text[begin:id], []byte(kind)) && begins(text[:begin]) {
				n.add(kind + string(text[id:end]))
			}
		}
	}
}

// beginsWord reports whether a name may begin behind a text.
func beginsWord(text []byte) bool { return len(text) == 0 || !idByte(text[len(text)-1]) }

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
