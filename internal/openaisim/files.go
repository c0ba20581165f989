package openaisim

import (
	"net/http"
)

// file is an uploaded file, or a batch's output.
type file struct {
	data []byte
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

// addFile keeps a file.
func (s *Server) addFile(project, name, purpose string, data []byte) fileBody {
	f := file{data, fileBody{s.id("file-"), "file", len(data), s.Now().Unix(), name, purpose, "processed"}}
	s.files.Add(project, f.ID, f)
	return f.fileBody
}

func (c *call) createFile() *apiError {
	name, data, values, e := c.form()
	if e != nil {
		return e
	}
	if values["purpose"] == "" {
		return invalid("purpose", "Missing required parameter: 'purpose'.")
	}
	c.Write(http.StatusOK, c.s.addFile(c.Key.Project, name, values["purpose"], data))
	return nil
}

func (c *call) listFiles() *apiError {
	out := []fileBody{}
	c.s.files.Each(c.Key.Project, func(f *file) { out = append(out, f.fileBody) })
	c.Write(http.StatusOK, list[fileBody]{Object: "list", Data: out})
	return nil
}

func (c *call) getFile() *apiError {
	f, e := c.file(c.R.PathValue("id"))
	if e != nil {
		return e
	}
	c.Write(http.StatusOK, f.fileBody)
	return nil
}

func (c *call) fileContent() *apiError {
	f, e := c.file(c.R.PathValue("id"))
	if e != nil {
		return e
	}
	c.WriteRaw(http.StatusOK, "application/octet-stream", f.data)
	return nil
}

func (c *call) deleteFile() *apiError {
	f, e := c.file(c.R.PathValue("id"))
	if e != nil {
		return e
	}
	c.s.files.Delete(c.Key.Project, f.ID)
	c.Write(http.StatusOK, map[string]any{"id": f.ID, "object": "file", "deleted": true})
	return nil
}
