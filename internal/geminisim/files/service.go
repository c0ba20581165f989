package files

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"net/http"
	"strings"
	"sync"
	"time"

	"fluxgate.dev/fluxgate/internal/geminisim/exchange"
	"fluxgate.dev/fluxgate/internal/geminisim/resources"
	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// Config configures a service of files. All of it is required but where it says otherwise.
type Config struct {
	Now func() time.Time
	// NewID returns an ID of so many digits.
	NewID func(length int) string
	// URIBase is the scheme and host of the URI of a file; empty: those of the request that is
	// answered.
	URIBase string
	// Granularity is what the end of every chunk of a resumable upload but the last has to be a
	// multiple of, in bytes; zero: 8 MiB, what the real service asks for.
	Granularity int64
	// Stores are where documents are uploaded to.
	Stores Stores
}

// Stores are the file search stores, to which documents are uploaded as files are.
type Stores interface {
	// Document reads what an upload to a store says of the document.
	Document(project, store string, raw []byte) (displayName, mime string, refused *wire.Error)
	// Uploaded takes a document that has arrived, and returns what is answered.
	Uploaded(project, store, displayName, mime string, content []byte) any
}

// A Service is the files of all projects, and their uploads. It is safe for concurrent use.
type Service struct {
	cfg Config

	mu      sync.Mutex
	files   resources.Store[*file]
	uploads map[string]*uploadSession
}

// New returns a service without files.
func New(cfg Config) *Service {
	cfg.URIBase = strings.TrimSuffix(cfg.URIBase, "/")
	cfg.Granularity = cmp.Or(cfg.Granularity, granularity)
	return &Service{cfg: cfg, files: resources.NewStore[*file](), uploads: make(map[string]*uploadSession)}
}

// Kept returns how many files and sessions of uploads take memory.
func (s *Service) Kept() (files, uploads int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.files.Len(), len(s.uploads)
}

// lookup returns a file that a project may see.
func (s *Service) lookup(id, project string, at time.Time) (*file, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.files.Get(id, project, at)
}

// Get serves GET files/{id}.
func (s *Service) Get(x *exchange.Exchange, id string) *wire.Error {
	f, ok := s.lookup(id, x.Project, x.Arrived)
	if !ok {
		return errFile(id)
	}
	x.WriteJSON(http.StatusOK, wire.Encode(s.view(x, f)))
	return nil
}

// Delete serves DELETE files/{id}.
func (s *Service) Delete(x *exchange.Exchange, id string) *wire.Error {
	s.mu.Lock()
	_, ok := s.files.Get(id, x.Project, x.Arrived)
	if ok {
		s.files.Drop(id)
	}
	s.mu.Unlock()
	if !ok {
		return errFile(id)
	}
	x.WriteJSON(http.StatusOK, []byte("{}\n"))
	return nil
}

// List serves GET files, the newest first.
func (s *Service) List(x *exchange.Exchange) *wire.Error {
	before, size, err := resources.Paging(x.R.URL.Query(), x.Project, 10, 100)
	if err != nil {
		return err
	}
	s.mu.Lock()
	list, more := s.files.Page(x.Project, x.Arrived, before, size)
	s.mu.Unlock()
	page := struct {
		Files         []View `json:"files,omitempty"`
		NextPageToken string `json:"nextPageToken,omitempty"`
	}{NextPageToken: resources.PageToken(x.Project, more)}
	for _, f := range list {
		page.Files = append(page.Files, s.view(x, f))
	}
	x.WriteJSON(http.StatusOK, wire.Encode(page))
	return nil
}

// Download serves what is in a file, or a part of it. One that was uploaded isn't to be
// had (documented).
func (s *Service) Download(x *exchange.Exchange, id string) *wire.Error {
	f, ok := s.lookup(id, x.Project, x.Arrived)
	switch {
	case !ok:
		return errFile(id)
	case !f.generated:
		return wire.InvalidArgument("Only generated files can be downloaded.")
	case x.R.URL.Query().Get("alt") != "media":
		x.WriteJSON(http.StatusOK, wire.Encode(map[string]any{}))
		return nil
	}
	x.W.Header().Set("Content-Type", f.mime)
	x.Status, x.Answered = http.StatusOK, true
	http.ServeContent(x.W, x.R, "", f.Created, bytes.NewReader(f.content))
	return nil
}

// Content returns what is in a file of a project, at most its first mebibyte.
func (s *Service) Content(project, id string) ([]byte, bool) {
	f, ok := s.lookup(id, project, s.cfg.Now())
	if !ok {
		return nil, false
	}
	return f.content, true
}

// Keep makes a file of what was generated for a project.
func (s *Service) Keep(project, id, mime string, content []byte) {
	now := s.cfg.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files.Put(&file{
		fileMeta: fileMeta{mime: mime}, size: int64(len(content)), hash: sha256.Sum256(content), content: content, generated: true,
		Owned: resources.Owned{ID: id, Project: project, Created: now, Updated: now, Expires: now.Add(fileLifetime)},
	}, now)
}

// add makes a file of what was uploaded. An empty ID is replaced by a new one.
func (s *Service) add(project, id string, meta fileMeta, size int64, hash [32]byte, content []byte) (*file, *wire.Error) {
	now := s.cfg.Now()
	if meta.mime == "" {
		meta.mime = "application/octet-stream"
	}
	f := &file{fileMeta: meta, size: size, hash: hash, content: content,
		Owned: resources.Owned{ID: id, Project: project, Created: now, Updated: now, Expires: now.Add(fileLifetime)}}
	s.mu.Lock()
	defer s.mu.Unlock()
	if id != "" {
		if !s.files.Put(f, now) {
			return nil, errFileExists(id)
		}
		return f, nil
	}
	for {
		f.ID = s.cfg.NewID(12)
		if s.files.Put(f, now) {
			return f, nil
		}
	}
}
