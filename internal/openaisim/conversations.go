package openaisim

import (
	"encoding/json"
	"net/http"
)

// conversation is what responses may be part of (documented). Of its items their tokens are kept.
type conversation struct {
	body   conversationBody
	tokens int64
}

type conversationBody struct {
	ID        string          `json:"id"`
	Object    string          `json:"object"`
	CreatedAt int64           `json:"created_at"`
	Metadata  json.RawMessage `json:"metadata"`
}

func (c *call) createConversation() *apiError {
	var in struct {
		Metadata json.RawMessage `json:"metadata"`
	}
	if e := c.decode(&in); e != nil {
		return e
	}
	if in.Metadata == nil {
		in.Metadata = json.RawMessage("{}")
	}
	made := conversation{body: conversationBody{c.s.id("conv_"), "conversation", c.Arrived.Unix(), in.Metadata}}
	c.s.conversations.Add(c.Key.Project, made.body.ID, made)
	c.Write(http.StatusOK, made.body)
	return nil
}

func (c *call) getConversation() *apiError {
	found, ok := c.s.conversations.Get(c.Key.Project, c.R.PathValue("id"))
	if !ok {
		return errNotFound("Conversation", c.R.PathValue("id"))
	}
	c.Write(http.StatusOK, found.body)
	return nil
}

func (c *call) deleteConversation() *apiError {
	id := c.R.PathValue("id")
	if !c.s.conversations.Delete(c.Key.Project, id) {
		return errNotFound("Conversation", id)
	}
	c.Write(http.StatusOK, map[string]any{"id": id, "object": "conversation.deleted", "deleted": true})
	return nil
}

// conversationID returns the ID that a request names a conversation by: alone, or in an object.
func conversationID(raw json.RawMessage) (id string) {
	var object struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(raw, &id) != nil && json.Unmarshal(raw, &object) == nil {
		return object.ID
	}
	return id
}
