package anthropicsim

import (
	"fmt"
	"net/http"
)

// id returns a name that no other thing has.
func (s *Server) id(prefix string) string { return fmt.Sprintf("%s01%022d", prefix, s.Serial()) }

// file returns a file of the caller's project.
func (c *call) file(id string) (fileBody, *apiError) {
	f, ok := c.s.files.Get(c.Key.Project, id)
	if !ok {
		return f, &apiError{http.StatusNotFound, "not_found_error", "File not found: " + id, nil}
	}
	return f, nil
}
