package openaisim

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// storedChat is a chat that is kept, as it said by "store" (documented).
type storedChat struct {
	chatBody
	Metadata json.RawMessage `json:"metadata"`
	messages []chatMessage
}

// storedChat returns a chat of the caller's project.
func (c *call) storedChat() (storedChat, *apiError) {
	id := c.R.PathValue("id")
	found, ok := c.s.chats.Get(c.Key.Project, id)
	if !ok {
		return found, errNotFound("Chat completion", id)
	}
	return found, nil
}

func (c *call) listChats() *apiError {
	out := []storedChat{}
	c.s.chats.Each(c.Key.Project, func(s *storedChat) { out = append(out, *s) })
	c.Write(http.StatusOK, list[storedChat]{Object: "list", Data: out})
	return nil
}

func (c *call) getChat() *apiError {
	found, e := c.storedChat()
	if e == nil {
		c.Write(http.StatusOK, found)
	}
	return e
}

// changeChat changes the metadata, which is all that can be changed.
func (c *call) changeChat() *apiError {
	var in struct {
		Metadata json.RawMessage `json:"metadata"`
	}
	if e := c.decode(&in); e != nil {
		return e
	}
	c.s.chats.Change(c.Key.Project, c.R.PathValue("id"), func(s *storedChat) { s.Metadata = in.Metadata })
	return c.getChat()
}

func (c *call) deleteChat() *apiError {
	id := c.R.PathValue("id")
	if !c.s.chats.Delete(c.Key.Project, id) {
		return errNotFound("Chat completion", id)
	}
	c.Write(http.StatusOK, map[string]any{"id": id, "object": "chat.completion.deleted", "deleted": true})
	return nil
}

// listMessages lists what a chat was asked with, each with an ID of the chat's and its number.
func (c *call) listMessages() *apiError {
	found, e := c.storedChat()
	if e != nil {
		return e
	}
	out := []map[string]any{}
	for i, m := range found.messages {
		out = append(out, map[string]any{"id": fmt.Sprintf("%s-%d", found.ID, i), "role": m.Role, "content": m.Content})
	}
	c.Write(http.StatusOK, list[map[string]any]{Object: "list", Data: out})
	return nil
}
