package longrunning

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// importTime is how long a document takes until it can be searched.
const importTime = time.Second

// A store is a file search store.
type store struct {
	id, project, display string
	created              time.Time
	documents            []*document
	operations           map[string]*document // by the end of their names
}

// A document is a file in a store.
type document struct {
	id, display, mime string
	content           []byte
	created           time.Time
}

func (s *store) name() string { return "fileSearchStores/" + s.id }

// serveStore serves what is below fileSearchStores. The caller holds s.mu.
func (s *Service) serveStore(r Request, path []string) Answer {
	mine := func(x *store) bool { return x.project == r.Project }
	if len(path) == 0 {
		if r.Method == http.MethodPost {
			return s.createStore(r)
		}
		var all []*store
		for _, x := range s.stores {
			if mine(x) {
				all = append(all, x)
			}
		}
		return page(r, "fileSearchStores", all, func(x *store) any { return x.view() })
	}
	at := slices.IndexFunc(s.stores, func(x *store) bool { return mine(x) && x.id == path[0] })
	if at < 0 {
		return denied("FileSearchStore fileSearchStores/" + path[0])
	}
	x := s.stores[at]
	below := strings.Join(path[1:], "/")
	switch {
	case below == "" && r.Method == http.MethodGet:
		return ok(x.view())
	case below == "" && r.Method == http.MethodDelete:
		if len(x.documents) > 0 && !forced(r) {
			return Answer{Code: http.StatusBadRequest, Status: "FAILED_PRECONDITION", Message: "Cannot delete non-empty FileSearchStore."}
		}
		s.stores = slices.Delete(s.stores, at, at+1)
		return ok(object{})
	case below == "" && r.Call == "importFile":
		return s.importFile(r, x)
	case below == "documents" && r.Method == http.MethodGet:
		return page(r, "documents", slices.Clone(x.documents), func(d *document) any { return x.viewDocument(d, s.host.Now()) })
	case path[1] == "documents" && len(path) == 3:
		return s.serveDocument(r, x, path[2])
	}
	if d := x.operations[below]; d != nil && r.Method == http.MethodGet {
		return ok(x.viewOperation(below, d, s.host.Now()))
	}
	return notFound(r.Path)
}

// forced reports whether a request says force, as the SDKs write it: Google's for Python
// sends True.
func forced(r Request) bool {
	force, _ := strconv.ParseBool(r.Query.Get("force"))
	return force
}

func (s *Service) createStore(r Request) Answer {
	var in struct{ DisplayName string }
	if len(r.Body) > 0 && read(r.Body, &in) != nil {
		return invalid("Invalid JSON payload received.")
	}
	x := &store{id: s.host.NewID(20), project: r.Project, display: in.DisplayName, created: s.host.Now(), operations: make(map[string]*document)}
	s.stores = append(s.stores, x)
	return ok(x.view())
}

func (s *store) view() object {
	size := 0
	for _, d := range s.documents {
		size += len(d.content)
	}
	return object{
		"name": s.name(), "displayName": s.display, "createTime": timestamp(s.created), "updateTime": timestamp(s.created),
		"activeDocumentsCount": strconv.Itoa(len(s.documents)), "sizeBytes": strconv.Itoa(size),
	}
}

func (s *Service) serveDocument(r Request, x *store, id string) Answer {
	at := slices.IndexFunc(x.documents, func(d *document) bool { return d.id == id })
	switch {
	case at < 0:
		return notFound(r.Path)
	case r.Method == http.MethodDelete:
		x.documents = slices.Delete(x.documents, at, at+1)
		return ok(object{})
	}
	return ok(x.viewDocument(x.documents[at], s.host.Now()))
}

func (s *store) viewDocument(d *document, now time.Time) object {
	state := "STATE_ACTIVE"
	if now.Before(d.created.Add(importTime)) {
		state = "STATE_PENDING"
	}
	return object{
		"name": s.name() + "/documents/" + d.id, "displayName": d.display, "mimeType": d.mime, "state": state,
		"sizeBytes": strconv.Itoa(len(d.content)), "createTime": timestamp(d.created), "updateTime": timestamp(d.created),
	}
}

func (s *Service) importFile(r Request, x *store) Answer {
	var in struct{ FileName string }
	if read(r.Body, &in) != nil || in.FileName == "" {
		return invalid("file_name is required.")
	}
	content, found := s.host.Content(r.Project, strings.TrimPrefix(in.FileName, "files/"))
	if !found {
		return denied("File " + in.FileName)
	}
	return ok(s.add(x, "operations/", &document{display: in.FileName, content: content}))
}

func (s *Service) store(project, name string) *store {
	at := slices.IndexFunc(s.stores, func(x *store) bool { return x.project == project && x.name() == name })
	if at < 0 {
		return nil
	}
	return s.stores[at]
}

// Uploaded puts what was uploaded to a store into it, and returns the operation.
func (s *Service) Uploaded(project, name, display, mime string, content []byte) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.store(project, name)
	if x == nil {
		return object{}
	}
	return s.add(x, "upload/operations/", &document{display: display, mime: mime, content: content})
}

func (s *Service) add(x *store, below string, d *document) object {
	d.id, d.created = s.host.NewID(16), s.host.Now()
	x.documents = append(x.documents, d)
	below += s.host.NewID(16)
	x.operations[below] = d
	return x.viewOperation(below, d, d.created)
}

func (s *store) viewOperation(below string, d *document, now time.Time) object {
	out := object{"name": s.name() + "/" + below}
	if !now.Before(d.created.Add(importTime)) {
		out["done"] = true
		out["response"] = object{"parent": s.name(), "documentName": s.name() + "/documents/" + d.id}
	}
	return out
}

// Sources returns what a search of stores is answered from; false: one of them isn't the
// project's.
func (s *Service) Sources(project string, names []string) (chunks []any, found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		x := s.store(project, name)
		if x == nil {
			return nil, false
		}
		for _, d := range x.documents {
			chunks = append(chunks, object{"retrievedContext": object{"title": d.display, "text": string(d.content), "fileSearchStore": name}})
		}
	}
	return chunks, true
}
