package anthropicsim

import "net/http"

type modelBody struct {
	Type        string `json:"type"`
	ID          string `json:"id"`
	DisplayName string `json:"display_name"`
	CreatedAt   string `json:"created_at"`
}

func modelOf(name string) modelBody { return modelBody{"model", name, name, "2026-02-19T00:00:00Z"} }

// list is a list in Anthropic's format.
type list[T any] struct {
	Data    []T     `json:"data"`
	HasMore bool    `json:"has_more"`
	FirstID *string `json:"first_id"`
	LastID  *string `json:"last_id"`
}

func (c *call) listModels() *apiError {
	names := c.s.Models()
	out := list[modelBody]{Data: []modelBody{}}
	for _, name := range names {
		out.Data = append(out.Data, modelOf(name))
	}
	if len(names) > 0 {
		out.FirstID, out.LastID = &names[0], &names[len(names)-1]
	}
	c.Write(http.StatusOK, out)
	return nil
}

func (c *call) getModel() *apiError {
	name := c.R.PathValue("id")
	if !c.s.Knows(name) {
		return &apiError{http.StatusNotFound, "not_found_error", "model: " + name, nil}
	}
	c.Write(http.StatusOK, modelOf(name))
	return nil
}
