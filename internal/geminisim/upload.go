package geminisim

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

const (
	uploadGranularity = 8 << 20 // bytes, what the real service asks for
	maxMeta           = 1 << 20 // bytes of a file's metadata that are read
)

// Of an upload session, as X-Goog-Upload-Status names them.
const (
	uploadActive    = "active"
	uploadFinal     = "final"
	uploadCancelled = "cancelled"
)

// uploadSession is a resumable upload under way, or over.
type uploadSession struct {
	project string
	id      string // of the file, if the client chose one
	meta    fileMeta
	size    int64 // that was announced, in bytes; negative: none was

	store string // that it is for; empty: it makes a file

	body sync.Mutex // held by the request that sends bytes
	sum  hash.Hash  // of what was received; guarded by body
	kept kept       // guarded by body

	// The rest is guarded by Server.mu.
	received int64
	status   string
	file     *file // once it is final
}

// upload serves the start of an upload, whole uploads in one request and the
// requests of a session.
func (c *call) upload() *wire.Error {
	c.arrived = c.s.now()
	if id := c.r.URL.Query().Get("upload_id"); id != "" {
		return c.continueUpload(id)
	}
	refused := c.authenticate()
	c.enter()
	switch {
	case c.r.Method != http.MethodPost:
		return wire.NoSuchURL()
	case refused != nil:
		return refused
	}
	switch c.r.Header.Get("X-Goog-Upload-Protocol") {
	case "resumable":
		return c.startUpload()
	case "multipart":
		return c.multipartUpload()
	case "raw":
		body := &noted{Reader: c.r.Body}
		return c.wholeFile("", fileMeta{mime: c.mediaType(c.r.Header.Get("Content-Type"))}, body, body)
	default:
		return wire.InvalidArgument("Unsupported upload protocol: X-Goog-Upload-Protocol has to be resumable, multipart or raw.")
	}
}

// mediaType returns the type that the header gives the file, or else the one given.
func (c *call) mediaType(otherwise string) string {
	if v := c.r.Header.Get("X-Goog-Upload-Header-Content-Type"); v != "" {
		return v
	}
	return otherwise
}

// noted remembers whether reading failed: a body that was broken off isn't the
// same as one that is malformed.
type noted struct {
	io.Reader
	failed bool
}

func (n *noted) Read(p []byte) (int, error) {
	size, err := n.Reader.Read(p)
	n.failed = n.failed || err != nil && err != io.EOF
	return size, err
}

// complaint returns what is wrong with a body, given an error from parsing it.
func (n *noted) complaint(err error) *wire.Error {
	if n.failed {
		return wire.Cancelled()
	}
	return wire.InvalidArgument("Invalid multipart request: " + err.Error())
}

// parseFileMeta reads {"file": {…}}, and the ID that the client chose.
func parseFileMeta(raw []byte) (id string, meta fileMeta, failed *wire.Error) {
	var body struct {
		File struct {
			Name         string `json:"name"`
			DisplayName  string `json:"displayName"`
			DisplayNameS string `json:"display_name"`
			MIMEType     string `json:"mimeType"`
			MIMETypeS    string `json:"mime_type"`
		} `json:"file"`
	}
	if err := wire.Decode(raw, &body); err != nil {
		return "", meta, err
	}
	id = strings.TrimPrefix(body.File.Name, "files/")
	if id != "" && !fileID.MatchString(id) {
		return "", meta, wire.InvalidArgument("* CreateFileRequest.file.name: an ID has at most 40 characters, lowercase alphanumeric or dashes, and no dash at either end\n")
	}
	meta.displayName = body.File.DisplayName + body.File.DisplayNameS
	meta.mime = body.File.MIMEType + body.File.MIMETypeS
	if len([]rune(meta.displayName)) > 512 {
		return "", meta, wire.InvalidArgument("* CreateFileRequest.file.display_name: at most 512 characters\n")
	}
	return id, meta, nil
}

// startUpload opens a session.
func (c *call) startUpload() *wire.Error {
	if c.r.Header.Get("X-Goog-Upload-Command") != "start" {
		return wire.InvalidArgument("Invalid upload command: a resumable upload begins with X-Goog-Upload-Command: start.")
	}
	u := &uploadSession{project: c.who.Project, size: -1, sum: sha256.New(), status: uploadActive}
	if v := c.r.Header.Get("X-Goog-Upload-Header-Content-Length"); v != "" {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < 0 || n > maxFile {
			return wire.InvalidArgument("Invalid X-Goog-Upload-Header-Content-Length.")
		}
		u.size = n
	}
	raw, err := io.ReadAll(io.LimitReader(c.r.Body, maxMeta))
	if err != nil {
		return wire.Cancelled()
	}
	var failed *wire.Error
	if u.store = c.route.id; u.store != "" {
		u.meta, failed = c.storeMeta(u.store, raw)
	} else {
		u.id, u.meta, failed = parseFileMeta(raw)
	}
	if failed != nil {
		return failed
	}
	u.meta.mime = c.mediaType(u.meta.mime)
	c.s.mu.Lock()
	taken := c.s.files.has(u.id, c.arrived)
	session := c.s.random.id(64)
	if !taken {
		c.s.uploads[session] = u
	}
	c.s.mu.Unlock()
	if taken {
		return errFileExists(u.id)
	}
	// The session's URL keeps the query of the request that opened it, with the
	// key if that is where it was.
	query := c.r.URL.RawQuery
	if query != "" {
		query += "&"
	}
	url := c.ownBase() + c.r.URL.EscapedPath() + "?" + query + "upload_id=" + session + "&upload_protocol=resumable"
	h := c.w.Header()
	h.Set("X-Goog-Upload-URL", url)
	h.Set("X-Goog-Upload-Control-URL", url)
	h.Set("X-Goog-Upload-Chunk-Granularity", strconv.FormatInt(c.s.granularity, 10))
	h.Set("X-GUploader-UploadID", session)
	c.uploadState(uploadActive, http.StatusOK)
	return nil
}

// multipartUpload takes a multipart/related body: the metadata, then the file.
func (c *call) multipartUpload() *wire.Error {
	kind, params, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || !strings.HasPrefix(kind, "multipart/") || params["boundary"] == "" {
		return wire.InvalidArgument("Invalid multipart request with no boundary.")
	}
	body := &noted{Reader: c.r.Body}
	parts := multipart.NewReader(body, params["boundary"])
	head, err := parts.NextRawPart()
	if err != nil {
		return body.complaint(err)
	}
	raw, err := io.ReadAll(io.LimitReader(head, maxMeta))
	if err != nil {
		return body.complaint(err)
	}
	id, meta, failed := parseFileMeta(raw)
	if failed != nil {
		return failed
	}
	media, err := parts.NextRawPart()
	if err != nil {
		return body.complaint(err)
	}
	if v := media.Header.Get("Content-Type"); v != "" {
		meta.mime = v
	}
	return c.wholeFile(id, meta, media, body)
}

// wholeFile takes a file in one piece, from a body or a part of it.
func (c *call) wholeFile(id string, meta fileMeta, from io.Reader, body *noted) *wire.Error {
	sum, content := sha256.New(), new(kept)
	size, err := io.Copy(io.MultiWriter(sum, content), io.LimitReader(from, maxFile+1))
	switch {
	case err != nil:
		return body.complaint(err)
	case size > maxFile:
		return wire.InvalidArgument("The file is too large.")
	}
	f, failed := c.addFile(c.who.Project, id, meta, size, [32]byte(sum.Sum(nil)), content.content)
	if failed != nil {
		return failed
	}
	c.writeJSON(http.StatusOK, wire.Encode(map[string]fileView{"file": c.view(f)}))
	return nil
}

// continueUpload serves a request to the URL of a session. The URL is enough of a
// credential; a key that comes with it has to be of the session's project.
func (c *call) continueUpload(session string) *wire.Error {
	c.s.mu.Lock()
	u := c.s.uploads[session]
	c.s.mu.Unlock()
	var refused *wire.Error
	if len(c.credentials) > 0 {
		refused = c.authenticate()
	}
	switch {
	case u == nil, refused != nil:
	case c.who.Project == "":
		c.who.Project = u.project
	case c.who.Project != u.project:
		refused = wire.PermissionDenied("The caller does not have permission")
	}
	c.enter()
	switch {
	case refused != nil:
		return refused
	case u == nil:
		c.uploadError(http.StatusNotFound, "", "Upload not found.")
		return nil
	}
	c.command(u)
	return nil
}

// command does what X-Goog-Upload-Command says.
func (c *call) command(u *uploadSession) {
	commands := strings.Split(c.r.Header.Get("X-Goog-Upload-Command"), ",")
	for i := range commands {
		commands[i] = strings.ToLower(strings.TrimSpace(commands[i]))
	}
	switch {
	case slices.Equal(commands, []string{"query"}):
		c.queryUpload(u)
	case slices.Equal(commands, []string{"cancel"}):
		c.s.mu.Lock()
		if u.status == uploadActive {
			u.status = uploadCancelled
		}
		status := u.status
		c.s.mu.Unlock()
		c.uploadState(status, http.StatusOK)
	case slices.Equal(commands, []string{"upload"}):
		c.receive(u, false)
	case slices.Equal(commands, []string{"upload", "finalize"}), slices.Equal(commands, []string{"finalize"}):
		c.receive(u, true)
	default:
		c.uploadError(http.StatusBadRequest, uploadActive, "Invalid X-Goog-Upload-Command.")
	}
}

func (c *call) queryUpload(u *uploadSession) {
	c.s.mu.Lock()
	status, received, f := u.status, u.received, u.file
	c.s.mu.Unlock()
	c.w.Header().Set("X-Goog-Upload-Chunk-Granularity", strconv.FormatInt(c.s.granularity, 10))
	c.w.Header().Set("X-Goog-Upload-Size-Received", strconv.FormatInt(received, 10))
	if f != nil {
		c.w.Header().Set("X-Goog-Upload-Status", status)
		c.writeJSON(http.StatusOK, wire.Encode(map[string]fileView{"file": c.view(f)}))
		return
	}
	c.uploadState(status, http.StatusOK)
}

// receive takes bytes, and with finalize makes a file of them all.
func (c *call) receive(u *uploadSession, finalize bool) {
	u.body.Lock()
	defer u.body.Unlock()
	if code, complaint := c.acceptable(u, finalize); complaint != "" {
		c.uploadError(code, c.statusOf(u), complaint)
		return
	}
	room := int64(maxFile)
	if u.size >= 0 {
		room = u.size
	}
	room -= u.received // changed under body only
	n, err := io.Copy(io.MultiWriter(u.sum, &u.kept), io.LimitReader(c.r.Body, room))
	if err == nil && n == room {
		if extra, _ := io.ReadFull(c.r.Body, make([]byte, 1)); extra > 0 {
			err = errTooMuch
		}
	}
	c.s.mu.Lock()
	u.received += n // what arrived before the connection broke is kept
	if errors.Is(err, errTooMuch) {
		u.status = uploadCancelled
	}
	received := u.received
	c.s.mu.Unlock()
	switch {
	case errors.Is(err, errTooMuch):
		c.uploadError(http.StatusBadRequest, uploadCancelled, "More bytes than were announced.")
	case err != nil:
		c.hungUp = true
	case !finalize:
		c.w.Header().Set("X-Goog-Upload-Size-Received", strconv.FormatInt(received, 10))
		c.uploadState(uploadActive, http.StatusOK)
	case u.size >= 0 && received != u.size:
		c.uploadError(http.StatusBadRequest, uploadActive,
			fmt.Sprintf("Upload can't be finalized: %d of %d bytes were received.", received, u.size))
	default:
		c.finalize(u, received)
	}
}

var errTooMuch = errors.New("geminisim: more bytes than were announced")

// acceptable checks a request that sends bytes before they are read.
func (c *call) acceptable(u *uploadSession, finalize bool) (code int, complaint string) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if u.status != uploadActive {
		return http.StatusBadRequest, "Upload has already been terminated."
	}
	// Only a request that merely ends the upload can do without an offset.
	if v := c.r.Header.Get("X-Goog-Upload-Offset"); v != "" || !finalize || c.r.ContentLength != 0 {
		offset, err := strconv.ParseInt(v, 10, 64)
		if err != nil || offset != u.received {
			return http.StatusBadRequest, fmt.Sprintf("Invalid X-Goog-Upload-Offset: %d bytes were received.", u.received)
		}
	}
	end := u.received + max(0, c.r.ContentLength)
	switch {
	case u.size >= 0 && end > u.size:
		return http.StatusBadRequest, "More bytes than were announced."
	case !finalize && c.r.ContentLength >= 0 && end%c.s.granularity != 0:
		return http.StatusBadRequest, fmt.Sprintf("A chunk that isn't the last has to end at a multiple of %d bytes.", c.s.granularity)
	}
	return 0, ""
}

func (c *call) statusOf(u *uploadSession) string {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	return u.status
}

// finalize makes a file of a session whose bytes have arrived. The caller holds
// u.body.
func (c *call) finalize(u *uploadSession, size int64) {
	if u.store != "" {
		c.s.mu.Lock()
		u.status = uploadFinal
		c.s.mu.Unlock()
		c.w.Header().Set("X-Goog-Upload-Status", uploadFinal)
		c.writeJSON(http.StatusOK, wire.Encode(c.s.long.Uploaded(u.project, u.store, u.meta.displayName, u.meta.mime, u.kept.content)))
		return
	}
	f, failed := c.addFile(u.project, u.id, u.meta, size, [32]byte(u.sum.Sum(nil)), u.kept.content)
	if failed != nil {
		c.uploadError(failed.Code, uploadActive, failed.Message)
		return
	}
	c.s.mu.Lock()
	u.status, u.file = uploadFinal, f
	c.s.mu.Unlock()
	c.w.Header().Set("X-Goog-Upload-Status", uploadFinal)
	c.writeJSON(http.StatusOK, wire.Encode(map[string]fileView{"file": c.view(f)}))
}

// uploadState answers without a body.
func (c *call) uploadState(status string, code int) {
	c.w.Header().Set("X-Goog-Upload-Status", status)
	c.w.Header().Set("Content-Length", "0")
	c.writeHeader(code)
	c.answered = true
}

// uploadError answers as the upload backend does: in plain text.
func (c *call) uploadError(code int, status, text string) {
	if status != "" {
		c.w.Header().Set("X-Goog-Upload-Status", status)
	}
	c.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	c.writeHeader(code)
	_, err := io.WriteString(c.w, text)
	c.sent(err)
}
