package anthropicsim

import (
	"fmt"
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
