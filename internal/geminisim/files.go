package geminisim

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

const (
	fileLifetime = 48 * time.Hour
	maxFile      = 2 << 30 // bytes
)

// file is one that was uploaded or generated.
type file struct {
	owned
	fileMeta
	size      int64
	hash      [32]byte // SHA-256
	content   []byte   // the first maxKept bytes
	generated bool     // it can be downloaded
}

// maxKept bounds how much of what is in a file is kept.
const maxKept = 1 << 20

// kept keeps the beginning of what is written to it.
type kept struct{ content []byte }

func (k *kept) Write(p []byte) (int, error) {
	k.content = append(k.content, p[:min(len(p), maxKept-len(k.content))]...)
	return len(p), nil
}

// fileMeta is what an upload says about the file.
type fileMeta struct {
	displayName string
	mime        string
}

// fileView is a file as the API shows it.
type fileView struct {
	Name           string `json:"name"`
	DisplayName    string `json:"displayName,omitempty"`
	MIMEType       string `json:"mimeType"`
	SizeBytes      int64  `json:"sizeBytes,string"`
	CreateTime     string `json:"createTime"`
	UpdateTime     string `json:"updateTime"`
	ExpirationTime string `json:"expirationTime"`
	SHA256Hash     string `json:"sha256Hash"`
	URI            string `json:"uri"`
	State          string `json:"state"`
	Source         string `json:"source"`
}

func (c *call) view(f *file) fileView {
	source := "UPLOADED"
	if f.generated {
		source = "GENERATED"
	}
	return fileView{
		Name:           "files/" + f.id,
		DisplayName:    f.displayName,
		MIMEType:       f.mime,
		SizeBytes:      f.size,
		CreateTime:     wire.Timestamp(f.created),
		UpdateTime:     wire.Timestamp(f.updated),
		ExpirationTime: wire.Timestamp(f.expires),
		// The base64 not of the hash but of its hexadecimal digits, as in captures
		// of the real service.
		SHA256Hash: base64.StdEncoding.EncodeToString([]byte(hex.EncodeToString(f.hash[:]))),
		URI:        c.uriBase() + "/v1beta/files/" + f.id,
		State:      "ACTIVE",
		Source:     source,
	}
}

// uriBase returns what the URLs begin with by which files are named.
func (c *call) uriBase() string {
	if c.s.fileURIBase != "" {
		return c.s.fileURIBase
	}
	return c.ownBase()
}

// ownBase returns the scheme and host by which the client reached this server.
func (c *call) ownBase() string {
	scheme := c.r.URL.Scheme // the in-memory transport knows it
	switch {
	case scheme != "":
	case c.r.TLS != nil:
		scheme = "https"
	default:
		scheme = "http"
	}
	return scheme + "://" + c.r.Host
}

// errFile doesn't tell a file of another project from one that isn't there.
func errFile(id string) *wire.Error {
	return wire.PermissionDenied("You do not have permission to access the File " + id + " or it may not exist.")
}

// fileID is how the API bounds the IDs that a client may choose.
var fileID = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$`)

func (c *call) getFile() *wire.Error {
	c.s.mu.Lock()
	f, ok := c.s.files.get(c.id, c.who.Project, c.arrived)
	c.s.mu.Unlock()
	if !ok {
		return errFile(c.id)
	}
	c.writeJSON(http.StatusOK, wire.Encode(c.view(f)))
	return nil
}

func (c *call) deleteFile() *wire.Error {
	c.s.mu.Lock()
	_, ok := c.s.files.get(c.id, c.who.Project, c.arrived)
	if ok {
		delete(c.s.files.items, c.id)
	}
	c.s.mu.Unlock()
	if !ok {
		return errFile(c.id)
	}
	c.writeJSON(http.StatusOK, []byte("{}\n"))
	return nil
}

func (c *call) listFiles() *wire.Error {
	before, size, err := c.paging(10, 100)
	if err != nil {
		return err
	}
	c.s.mu.Lock()
	list, more := c.s.files.page(c.who.Project, c.arrived, before, size)
	c.s.mu.Unlock()
	page := struct {
		Files         []fileView `json:"files,omitempty"`
		NextPageToken string     `json:"nextPageToken,omitempty"`
	}{NextPageToken: c.pageToken(more)}
	for _, f := range list {
		page.Files = append(page.Files, c.view(f))
	}
	c.writeJSON(http.StatusOK, wire.Encode(page))
	return nil
}

// addFile makes a file of what was uploaded. An empty ID is replaced by a new one.
func (c *call) addFile(project, id string, meta fileMeta, size int64, hash [32]byte, content []byte) (*file, *wire.Error) {
	s := c.s
	now := s.now()
	if meta.mime == "" {
		meta.mime = "application/octet-stream"
	}
	f := &file{fileMeta: meta, size: size, hash: hash, content: content,
		owned: owned{id: id, project: project, created: now, updated: now, expires: now.Add(fileLifetime)}}
	s.mu.Lock()
	defer s.mu.Unlock()
	if id != "" {
		if !s.files.put(f, now) {
			return nil, errFileExists(id)
		}
		return f, nil
	}
	for {
		f.id = s.random.id(12)
		if s.files.put(f, now) {
			return f, nil
		}
	}
}

func errFileExists(id string) *wire.Error {
	return &wire.Error{Code: http.StatusConflict, Status: "ALREADY_EXISTS", Message: "Resource files/" + id + " already exists."}
}

// fileReference finds the file that a fileData means. Any host will do: what is
// behind it is this server or a proxy before it.
var fileReference = regexp.MustCompile(`^(?:(?:https?://[^/]*)?/?v1(?:beta)?/)?files/([^/?#]+)$`)

// resolveFiles looks up the files that a request refers to.
func (c *call) resolveFiles(req *wire.GenerateRequest) *wire.Error {
	for i := range req.Contents {
		if err := c.resolveParts(req.Contents[i].Parts); err != nil {
			return err
		}
	}
	if req.SystemInstruction != nil {
		return c.resolveParts(req.SystemInstruction.Parts)
	}
	return nil
}

func (c *call) resolveParts(parts []wire.Part) *wire.Error {
	for i := range parts {
		p := &parts[i]
		if p.FileData == nil {
			continue
		}
		var data struct {
			URI  string `json:"fileUri"`
			URIS string `json:"file_uri"`
		}
		if err := json.Unmarshal(p.FileData, &data); err != nil {
			return wire.InvalidArgument("Invalid value at 'file_data': " + err.Error())
		}
		uri, _, _ := strings.Cut(data.URI+data.URIS, "?")
		found := fileReference.FindStringSubmatch(uri)
		if found == nil {
			continue // elsewhere: not ours to know
		}
		c.s.mu.Lock()
		f, ok := c.s.files.get(found[1], c.who.Project, c.arrived)
		c.s.mu.Unlock()
		if !ok {
			return errFile(found[1])
		}
		p.FileTokens = wire.DocumentTokens(f.size)
	}
	return nil
}
