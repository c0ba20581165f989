package openaisim

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"sort"
)

// file is an uploaded file, or a batch's output.
type file struct {
	project string
	data    []byte
	fileBody
}

type fileBody struct {
	ID        string `json:"id"`
	Object    string `json:"object"`
	Bytes     int    `json:"bytes"`
	CreatedAt int64  `json:"created_at"`
	Filename  string `json:"filename"`
	Purpose   string `json:"purpose"`
	Status    string `json:"status"`
}

// addFile keeps a file. The lock is held.
func (s *Server) addFile(project, name, purpose string, data []byte) *file {
	f := &file{project, data, fileBody{s.id("file-"), "file", len(data), s.cfg.Now().Unix(), name, purpose, "processed"}}
	s.files[f.ID] = f
	return f
}

// file returns a file of the caller's project.
func (c *call) file(id string) (*file, *apiError) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if f := c.s.files[id]; f != nil && f.project == c.key.Project {
		return f, nil
	}
	return nil, &apiError{http.StatusNotFound, "No such File object: " + id, "invalid_request_error", "id", "", nil}
}

func (c *call) createFile() *apiError {
	_, params, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || params["boundary"] == "" {
		return invalid("", "Invalid Content-Type: expected multipart/form-data.")
	}
	form, err := multipart.NewReader(bytes.NewReader(c.body), params["boundary"]).ReadForm(maxBody)
	if err != nil || len(form.File["file"]) != 1 || len(form.Value["purpose"]) != 1 {
		return invalid("file", "Missing required parameter: 'file'.")
	}
	part, err := form.File["file"][0].Open()
	if err != nil {
		return invalid("file", "Missing required parameter: 'file'.")
	}
	defer func() { _ = part.Close() }()
	data, err := io.ReadAll(part)
	if err != nil {
		return invalid("file", "Missing required parameter: 'file'.")
	}
	c.s.mu.Lock()
	f := c.s.addFile(c.key.Project, form.File["file"][0].Filename, form.Value["purpose"][0], data)
	c.s.mu.Unlock()
	c.write(http.StatusOK, f.fileBody)
	return nil
}

func (c *call) listFiles() *apiError {
	c.s.mu.Lock()
	out := []fileBody{}
	for _, f := range c.s.files {
		if f.project == c.key.Project {
			out = append(out, f.fileBody)
		}
	}
	c.s.mu.Unlock()
	sort.Slice(out, func(i, j int) bool { return out[i].ID > out[j].ID }) // the newest first
	c.write(http.StatusOK, list[fileBody]{Object: "list", Data: out})
	return nil
}

func (c *call) getFile() *apiError {
	f, e := c.file(c.r.PathValue("id"))
	if e != nil {
		return e
	}
	c.write(http.StatusOK, f.fileBody)
	return nil
}

func (c *call) fileContent() *apiError {
	f, e := c.file(c.r.PathValue("id"))
	if e != nil {
		return e
	}
	c.w.Header().Set("Content-Type", "application/octet-stream")
	c.log.Status = http.StatusOK
	_, _ = c.w.Write(f.data)
	return nil
}

func (c *call) deleteFile() *apiError {
	f, e := c.file(c.r.PathValue("id"))
	if e != nil {
		return e
	}
	c.s.mu.Lock()
	delete(c.s.files, f.ID)
	c.s.mu.Unlock()
	c.write(http.StatusOK, map[string]any{"id": f.ID, "object": "file", "deleted": true})
	return nil
}
