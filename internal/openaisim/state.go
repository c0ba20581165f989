package openaisim

import (
	"fmt"
	"net/http"
)

// id returns a name that no other thing has.
func (s *Server) id(prefix string) string { return fmt.Sprintf("%s%024x", prefix, s.Serial()) }

// file returns a file of the caller's project.
func (c *call) file(id string) (file, *apiError) {
	f, ok := c.s.files.Get(c.Key.Project, id)
	if !ok {
		return f, &apiError{http.StatusNotFound, "No such File object: " + id, "invalid_request_error", "id", "", nil}
	}
	return f, nil
}

// mentioned fails if a file that a request mentions isn't the caller's project's.
func (c *call) mentioned(ids []string) *apiError {
	for _, id := range ids {
		if _, e := c.file(id); e != nil {
			return e
		}
	}
	return nil
}
