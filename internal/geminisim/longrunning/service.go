package longrunning

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// A Host is what the rest of the simulator does for a Service.
type Host interface {
	Now() time.Time
	// NewID returns an ID that nobody has.
	NewID(length int) string
	// Content returns what is in a file of a project.
	Content(project, file string) (content []byte, ok bool)
	// Keep makes a file of a project, and returns its ID.
	Keep(project, id, mime string, content []byte)
	// Reply returns a model's answer to a request in JSON, or an error in JSON.
	Reply(project, model, method string, request []byte) (answer []byte, failed bool)
}

// A Request is one that was let in.
type Request struct {
	Project, Method string
	Path            string // below the version, without the method behind its colon
	Call            string // that method
	Query           url.Values
	Body            []byte
	Base            string // the URL of this server, as files are named by
}

// A Service is safe for use by any number of goroutines.
type Service struct {
	host Host

	mu      sync.Mutex
	batches []*batch
	videos  map[string]*video // by name
	stores  []*store
}

// New returns a service without anything.
func New(host Host) *Service { return &Service{host: host, videos: make(map[string]*video)} }

// Serves reports whether a path below a version is one of a Service, but for those of
// models.
func Serves(path string) bool {
	head, _, _ := strings.Cut(path, "/")
	head, _, _ = strings.Cut(head, ":")
	return head == "batches" || head == "fileSearchStores" || strings.HasPrefix(path, "models/") && strings.Contains(path, "/operations/")
}

// Serve answers a request for what Serves says.
func (s *Service) Serve(r Request) Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	segments := strings.Split(r.Path, "/")
	switch {
	case segments[0] == "batches":
		return s.serveBatch(r, segments[1:])
	case segments[0] == "fileSearchStores":
		return s.serveStore(r, segments[1:])
	case r.Method == http.MethodGet:
		return s.operation(r)
	}
	return notFound(r.Path)
}
