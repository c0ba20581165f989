package anthropicsim

import (
	"fmt"
	"net/http"
	"slices"
)

// id returns a name that no other thing has.
func (s *Server) id(prefix string) string { return fmt.Sprintf("%s01%022d", prefix, s.serial.Add(1)) }

// knows reports whether there is a model of that name.
func (s *Server) knows(model string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.models, model)
}

// file returns a file of the caller's project.
func (c *call) file(id string) (*file, *apiError) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if f := c.s.files[id]; f != nil && f.project == c.key.Project {
		return f, nil
	}
	return nil, &apiError{http.StatusNotFound, "not_found_error", "File not found: " + id, nil}
}
