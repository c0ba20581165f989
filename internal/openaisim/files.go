package openaisim

import (
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

func (c *call) createFile() *apiError {
	name, data, values, e := c.form()
	if e != nil {
		return e
	}
	if values["purpose"] == "" {
		return invalid("purpose", "Missing required parameter: 'purpose'.")
	}
	c.s.mu.Lock()
	f := c.s.addFile(c.key.Project, name, values["purpose"], data)
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
