package openaisim

import (
	"bytes"
	"maps"
	"net/http"
)

// upload is a file that comes in parts (documented).
type upload struct {
	uploadBody
	parts map[string][]byte // by their IDs
}

type uploadBody struct {
	ID       string    `json:"id"`
	Object   string    `json:"object"`
	Filename string    `json:"filename"`
	Purpose  string    `json:"purpose"`
	Status   string    `json:"status"`
	File     *fileBody `json:"file"`
}

func (c *call) createUpload() *apiError {
	var in struct {
		Filename string `json:"filename"`
		Purpose  string `json:"purpose"`
	}
	if e := c.decode(&in); e != nil {
		return e
	}
	u := upload{uploadBody{c.s.id("upload_"), "upload", in.Filename, in.Purpose, "pending", nil}, make(map[string][]byte)}
	c.s.uploads.Add(c.Key.Project, u.ID, u)
	c.Write(http.StatusOK, u.uploadBody)
	return nil
}

func (c *call) pending() (upload, *apiError) {
	u, ok := c.s.uploads.Get(c.Key.Project, c.R.PathValue("id"))
	if !ok {
		return u, errNotFound("Upload", c.R.PathValue("id"))
	}
	return u, nil
}

func (c *call) addPart() *apiError {
	_, data, _, e := c.form()
	if e != nil {
		return e
	}
	u, e := c.pending()
	if e != nil {
		return e
	}
	id := c.s.id("part_")
	c.s.uploads.Change(c.Key.Project, u.ID, func(u *upload) {
		u.parts = maps.Clone(u.parts) // others are reading it
		u.parts[id] = data
	})
	c.Write(http.StatusOK, map[string]any{"id": id, "object": "upload.part", "created_at": c.Arrived.Unix(), "upload_id": u.ID})
	return nil
}

// completeUpload puts the parts together, in the order that the caller says.
func (c *call) completeUpload() *apiError {
	var in struct {
		PartIDs []string `json:"part_ids"`
	}
	if e := c.decode(&in); e != nil {
		return e
	}
	u, e := c.pending()
	if e != nil {
		return e
	}
	var all bytes.Buffer
	for _, id := range in.PartIDs {
		part, ok := u.parts[id]
		if !ok {
			return errNotFound("Part", id)
		}
		all.Write(part)
	}
	made := c.s.addFile(c.Key.Project, u.Filename, u.Purpose, all.Bytes())
	u.Status, u.File = "completed", &made
	c.Write(http.StatusOK, u.uploadBody)
	return nil
}

func (c *call) cancelUpload() *apiError {
	u, e := c.pending()
	if e != nil {
		return e
	}
	c.s.uploads.Delete(c.Key.Project, u.ID)
	u.Status = "cancelled"
	c.Write(http.StatusOK, u.uploadBody)
	return nil
}
