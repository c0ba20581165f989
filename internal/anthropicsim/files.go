package anthropicsim

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"sort"
	"time"
)

// file is an uploaded file.
type file struct {
	project string
	fileBody
}

type fileBody struct {
	ID           string `json:"id"`
	Type         string `json:"type"`
	Filename     string `json:"filename"`
	MIMEType     string `json:"mime_type"`
	SizeBytes    int    `json:"size_bytes"`
	CreatedAt    string `json:"created_at"`
	Downloadable bool   `json:"downloadable"`
}

func (c *call) createFile() *apiError {
	missing := invalid("file: Field required")
	_, params, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || params["boundary"] == "" {
		return missing
	}
	for parts := multipart.NewReader(bytes.NewReader(c.body), params["boundary"]); ; {
		part, err := parts.NextPart()
		if err != nil {
			return missing
		}
		if part.FormName() != "file" {
			continue
		}
		data, err := io.ReadAll(part)
		if err != nil {
			return missing
		}
		f := &file{c.key.Project, fileBody{c.s.id("file_"), "file", part.FileName(), part.Header.Get("Content-Type"), len(data), c.arrived.UTC().Format(time.RFC3339), false}}
		c.s.mu.Lock()
		c.s.files[f.ID] = f
		c.s.mu.Unlock()
		c.write(http.StatusOK, f.fileBody)
		return nil
	}
}

func (c *call) listFiles() *apiError {
	c.s.mu.Lock()
	out := list[fileBody]{Data: []fileBody{}}
	for _, f := range c.s.files {
		if f.project == c.key.Project {
			out.Data = append(out.Data, f.fileBody)
		}
	}
	c.s.mu.Unlock()
	sort.Slice(out.Data, func(i, j int) bool { return out.Data[i].ID > out.Data[j].ID }) // the newest first
	if n := len(out.Data); n > 0 {
		out.FirstID, out.LastID = &out.Data[0].ID, &out.Data[n-1].ID
	}
	c.write(http.StatusOK, out)
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

// fileContent is documented: what was uploaded can't be downloaded.
func (c *call) fileContent() *apiError {
	if _, e := c.file(c.r.PathValue("id")); e != nil {
		return e
	}
	return invalid("File '" + c.r.PathValue("id") + "' is not downloadable.")
}

func (c *call) deleteFile() *apiError {
	f, e := c.file(c.r.PathValue("id"))
	if e != nil {
		return e
	}
	c.s.mu.Lock()
	delete(c.s.files, f.ID)
	c.s.mu.Unlock()
	c.write(http.StatusOK, map[string]string{"id": f.ID, "type": "file_deleted"})
	return nil
}
