package anthropicsim

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"time"
)

// fileBody is an uploaded file, of which nothing else is kept.
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
	_, params, err := mime.ParseMediaType(c.R.Header.Get("Content-Type"))
	if err != nil || params["boundary"] == "" {
		return missing
	}
	for parts := multipart.NewReader(bytes.NewReader(c.Body), params["boundary"]); ; {
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
		f := fileBody{c.s.id("file_"), "file", part.FileName(), part.Header.Get("Content-Type"), len(data), c.Arrived.UTC().Format(time.RFC3339), false}
		c.s.files.Add(c.Key.Project, f.ID, f)
		c.Write(http.StatusOK, f)
		return nil
	}
}

func (c *call) listFiles() *apiError {
	out := list[fileBody]{Data: []fileBody{}}
	c.s.files.Each(c.Key.Project, func(f *fileBody) { out.Data = append(out.Data, *f) })
	if n := len(out.Data); n > 0 {
		out.FirstID, out.LastID = &out.Data[0].ID, &out.Data[n-1].ID
	}
	c.Write(http.StatusOK, out)
	return nil
}

func (c *call) getFile() *apiError {
	f, e := c.file(c.R.PathValue("id"))
	if e != nil {
		return e
	}
	c.Write(http.StatusOK, f)
	return nil
}

// fileContent is documented: what was uploaded can't be downloaded.
func (c *call) fileContent() *apiError {
	if _, e := c.file(c.R.PathValue("id")); e != nil {
		return e
	}
	return invalid("File '" + c.R.PathValue("id") + "' is not downloadable.")
}

func (c *call) deleteFile() *apiError {
	f, e := c.file(c.R.PathValue("id"))
	if e != nil {
		return e
	}
	c.s.files.Delete(c.Key.Project, f.ID)
	c.Write(http.StatusOK, map[string]string{"id": f.ID, "type": "file_deleted"})
	return nil
}
