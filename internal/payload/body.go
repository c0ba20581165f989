package payload

import "errors"

// A Body is a request's body that passes through, as it came and as it is read.
type Body struct {
	// Text is what came, and what goes upstream.
	Text []byte
	// JSON means the same to Google and is an object in JSON of the standard: Text itself where
	// that is. It is nil where it isn't known what Text means; Google, too, refuses that by
	// all that is published of its parsers.
	JSON []byte
	// References are what it refers to, and its size. Where Text isn't JSON of the
	// standard, they include whatever could be meant.
	References *References
}

// Read reads a body as liberally as Google does. It fails with ErrManyResources, and with
// ErrTooDeep for what would take long to refuse. Any other
// nonsense is Google's to refuse, at the price of a slot: what is nonsense to it is
// not known for sure.
//
// Of what isn't JSON of the standard a copy is made that is, and only of that. Room is
// asked before how many bytes it may take, and what it fails with is passed on.
//
// What isn't JSON of the standard goes upstream with a project's key like anything
// else, so that what is missed here would be read there with that key. Therefore
// every string counts that looks like the name of a resource, wherever it stands and
// whatever the member is called. A request that only quotes such a name, in JSON that
// isn't the standard's, is refused where nobody owns the resource.
func Read(text []byte, room func(bytes int64) error) (*Body, error) {
	refs, err := ReadReferences(text)
	switch {
	case err == nil:
		return &Body{Text: text, JSON: text, References: refs}, nil
	case errors.Is(err, ErrManyResources):
		return nil, err
	case errors.Is(err, errTooDeep):
		return nil, ErrTooDeep
	}
	var resources names
	switch size, err := strictSize(text); {
	case errors.Is(err, errTooDeep):
		return nil, ErrTooDeep
	case err == nil:
		if err := room(size); err != nil {
			return nil, err
		}
		plain := strictJSON(text, size)
		refs, err := ReadReferences(plain)
		if errors.Is(err, ErrManyResources) {
			return nil, err
		}
		if err == nil {
			resources.addStrings(plain)
			for _, name := range refs.Resources {
				resources.add(name)
			}
			return &Body{Text: text, JSON: plain, References: refs.with(resources)}, resources.err()
		}
	}
	resources.addUnknown(text)
	refs = &References{texts: int64(len(text)), Media: true} // what it holds isn't known
	return &Body{Text: text, References: refs.with(resources)}, resources.err()
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
	m.Media = m.Media || areMedia(resources.list)
	return m
}
