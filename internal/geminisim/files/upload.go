package files

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

	"fluxgate.dev/fluxgate/internal/geminisim/exchange"
	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// granularity is what the real service wants the end of a chunk to be a multiple of, in bytes.
const granularity = 8 << 20

const maxMeta = 1 << 20 // bytes of a file's metadata that are read

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

	// The rest is guarded by the Service's mu.
	received int64
	status   string
	file     *file // once it is final
}

// Start serves a request that begins an upload to a store (empty: of a file), or is one whole.
func (s *Service) Start(x *exchange.Exchange, store string) *wire.Error {
	switch x.R.Header.Get("X-Goog-Upload-Protocol") {
	case "resumable":
		return s.startUpload(x, store)
	case "multipart":
		return s.multipartUpload(x)
	case "raw":
		body := &noted{Reader: x.R.Body}
		return s.wholeFile(x, "", fileMeta{mime: mediaType(x, x.R.Header.Get("Content-Type"))}, body, body)
	default:
		return wire.InvalidArgument("Unsupported upload protocol: X-Goog-Upload-Protocol has to be resumable, multipart or raw.")
	}
}

// Owner returns the project that a session was begun by.
func (s *Service) Owner(session string) (project string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.uploads[session]
	if u == nil {
		return "", false
	}
	return u.project, true
}

// GoOn serves a request to the URL of a session. The upload backend's own errors
// are plain text.
func (s *Service) GoOn(x *exchange.Exchange, session string) {
	s.mu.Lock()
	u := s.uploads[session]
	s.mu.Unlock()
	if u == nil {
		uploadError(x, http.StatusNotFound, "", "Upload not found.")
		return
	}
	s.command(x, u)
}

// mediaType returns the type that the header gives the file, or else the one given.
func mediaType(x *exchange.Exchange, otherwise string) string {
	if v := x.R.Header.Get("X-Goog-Upload-Header-Content-Type"); v != "" {
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
	// Google's samples for curl send it in single quotes (captured).
	raw, failed = wire.StandardJSON("application/json", raw)
	if failed == nil {
		failed = wire.Decode(raw, &body)
	}
	if failed != nil {
		return "", meta, failed
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
func (s *Service) startUpload(x *exchange.Exchange, store string) *wire.Error {
	if x.R.Header.Get("X-Goog-Upload-Command") != "start" {
		return wire.InvalidArgument("Invalid upload command: a resumable upload begins with X-Goog-Upload-Command: start.")
	}
	u := &uploadSession{project: x.Project, store: store, size: -1, sum: sha256.New(), status: uploadActive}
	if v := x.R.Header.Get("X-Goog-Upload-Header-Content-Length"); v != "" {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < 0 || n > maxFile {
			return wire.InvalidArgument("Invalid X-Goog-Upload-Header-Content-Length.")
		}
		u.size = n
	}
	raw, err := io.ReadAll(io.LimitReader(x.R.Body, maxMeta))
	if err != nil {
		return wire.Cancelled()
	}
	var failed *wire.Error
	if store != "" {
		u.meta.displayName, u.meta.mime, failed = s.cfg.Stores.Document(x.Project, store, raw)
	} else {
		u.id, u.meta, failed = parseFileMeta(raw)
	}
	if failed != nil {
		return failed
	}
	u.meta.mime = mediaType(x, u.meta.mime)
	s.mu.Lock()
	taken := s.files.Has(u.id, x.Arrived)
	session := s.cfg.NewID(64)
	if !taken {
		s.uploads[session] = u
	}
	s.mu.Unlock()
	if taken {
		return errFileExists(u.id)
	}
	// The session's URL keeps the query of the request that opened it, with the
	// key if that is where it was.
	query := x.R.URL.RawQuery
	if query != "" {
		query += "&"
	}
	url := x.OwnBase() + x.R.URL.EscapedPath() + "?" + query + "upload_id=" + session + "&upload_protocol=resumable"
	h := x.W.Header()
	h.Set("X-Goog-Upload-URL", url)
	h.Set("X-Goog-Upload-Control-URL", url)
	h.Set("X-Goog-Upload-Chunk-Granularity", strconv.FormatInt(s.cfg.Granularity, 10))
	h.Set("X-GUploader-UploadID", session)
	uploadState(x, uploadActive, http.StatusOK)
	return nil
}

// multipartUpload takes a multipart/related body: the metadata, then the file.
func (s *Service) multipartUpload(x *exchange.Exchange) *wire.Error {
	kind, params, err := mime.ParseMediaType(x.R.Header.Get("Content-Type"))
	if err != nil || !strings.HasPrefix(kind, "multipart/") || params["boundary"] == "" {
		return wire.InvalidArgument("Invalid multipart request with no boundary.")
	}
	body := &noted{Reader: x.R.Body}
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
	return s.wholeFile(x, id, meta, media, body)
}

// wholeFile takes a file in one piece, from a body or a part of it.
func (s *Service) wholeFile(x *exchange.Exchange, id string, meta fileMeta, from io.Reader, body *noted) *wire.Error {
	sum, content := sha256.New(), new(kept)
	size, err := io.Copy(io.MultiWriter(sum, content), io.LimitReader(from, maxFile+1))
	switch {
	case err != nil:
		return body.complaint(err)
	case size > maxFile:
		return wire.InvalidArgument("The file is too large.")
	}
	f, failed := s.add(x.Project, id, meta, size, [32]byte(sum.Sum(nil)), content.content)
	if failed != nil {
		return failed
	}
	x.WriteJSON(http.StatusOK, wire.Encode(map[string]View{"file": s.view(x, f)}))
	return nil
}

// command does what X-Goog-Upload-Command says.
func (s *Service) command(x *exchange.Exchange, u *uploadSession) {
	commands := strings.Split(x.R.Header.Get("X-Goog-Upload-Command"), ",")
	for i := range commands {
		commands[i] = strings.ToLower(strings.TrimSpace(commands[i]))
	}
	switch {
	case slices.Equal(commands, []string{"query"}):
		s.queryUpload(x, u)
	case slices.Equal(commands, []string{"cancel"}):
		s.mu.Lock()
		if u.status == uploadActive {
			u.status = uploadCancelled
		}
		status := u.status
		s.mu.Unlock()
		uploadState(x, status, http.StatusOK)
	case slices.Equal(commands, []string{"upload"}):
		s.receive(x, u, false)
	case slices.Equal(commands, []string{"upload", "finalize"}), slices.Equal(commands, []string{"finalize"}):
		s.receive(x, u, true)
	default:
		uploadError(x, http.StatusBadRequest, uploadActive, "Invalid X-Goog-Upload-Command.")
	}
}

func (s *Service) queryUpload(x *exchange.Exchange, u *uploadSession) {
	s.mu.Lock()
	status, received, f := u.status, u.received, u.file
	s.mu.Unlock()
	x.W.Header().Set("X-Goog-Upload-Chunk-Granularity", strconv.FormatInt(s.cfg.Granularity, 10))
	x.W.Header().Set("X-Goog-Upload-Size-Received", strconv.FormatInt(received, 10))
	if f != nil {
		x.W.Header().Set("X-Goog-Upload-Status", status)
		x.WriteJSON(http.StatusOK, wire.Encode(map[string]View{"file": s.view(x, f)}))
		return
	}
	uploadState(x, status, http.StatusOK)
}

// receive takes bytes, and with finalize makes a file of them all.
func (s *Service) receive(x *exchange.Exchange, u *uploadSession, finalize bool) {
	u.body.Lock()
	defer u.body.Unlock()
	if code, complaint := s.acceptable(x, u, finalize); complaint != "" {
		uploadError(x, code, s.statusOf(u), complaint)
		return
	}
	room := int64(maxFile)
	if u.size >= 0 {
		room = u.size
	}
	room -= u.received // changed under body only
	n, err := io.Copy(io.MultiWriter(u.sum, &u.kept), io.LimitReader(x.R.Body, room))
	if err == nil && n == room {
		if extra, _ := io.ReadFull(x.R.Body, make([]byte, 1)); extra > 0 {
			err = errTooMuch
		}
	}
	s.mu.Lock()
	u.received += n // what arrived before the connection broke is kept
	if errors.Is(err, errTooMuch) {
		u.status = uploadCancelled
	}
	received := u.received
	s.mu.Unlock()
	switch {
	case errors.Is(err, errTooMuch):
		uploadError(x, http.StatusBadRequest, uploadCancelled, "More bytes than were announced.")
	case err != nil:
		x.HungUp = true
	case !finalize:
		x.W.Header().Set("X-Goog-Upload-Size-Received", strconv.FormatInt(received, 10))
		uploadState(x, uploadActive, http.StatusOK)
	case u.size >= 0 && received != u.size:
		uploadError(x, http.StatusBadRequest, uploadActive,
			fmt.Sprintf("Upload can't be finalized: %d of %d bytes were received.", received, u.size))
	default:
		s.finalize(x, u, received)
	}
}

var errTooMuch = errors.New("geminisim: more bytes than were announced")

// acceptable checks a request that sends bytes before they are read.
func (s *Service) acceptable(x *exchange.Exchange, u *uploadSession, finalize bool) (code int, complaint string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u.status != uploadActive {
		return http.StatusBadRequest, "Upload has already been terminated."
	}
	// Only a request that merely ends the upload can do without an offset.
	if v := x.R.Header.Get("X-Goog-Upload-Offset"); v != "" || !finalize || x.R.ContentLength != 0 {
		offset, err := strconv.ParseInt(v, 10, 64)
		if err != nil || offset != u.received {
			return http.StatusBadRequest, fmt.Sprintf("Invalid X-Goog-Upload-Offset: %d bytes were received.", u.received)
		}
	}
	end := u.received + max(0, x.R.ContentLength)
	switch {
	case u.size >= 0 && end > u.size:
		return http.StatusBadRequest, "More bytes than were announced."
	case !finalize && x.R.ContentLength >= 0 && end%s.cfg.Granularity != 0:
		return http.StatusBadRequest, fmt.Sprintf("A chunk that isn't the last has to end at a multiple of %d bytes.", s.cfg.Granularity)
	}
	return 0, ""
}

func (s *Service) statusOf(u *uploadSession) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return u.status
}

// finalize makes a file of a session whose bytes have arrived. The caller holds
// u.body.
func (s *Service) finalize(x *exchange.Exchange, u *uploadSession, size int64) {
	if u.store != "" {
		s.mu.Lock()
		u.status = uploadFinal
		s.mu.Unlock()
		x.W.Header().Set("X-Goog-Upload-Status", uploadFinal)
		x.WriteJSON(http.StatusOK, wire.Encode(s.cfg.Stores.Uploaded(u.project, u.store, u.meta.displayName, u.meta.mime, u.kept.content)))
		return
	}
	f, failed := s.add(u.project, u.id, u.meta, size, [32]byte(u.sum.Sum(nil)), u.kept.content)
	if failed != nil {
		uploadError(x, failed.Code, uploadActive, failed.Message)
		return
	}
	s.mu.Lock()
	u.status, u.file = uploadFinal, f
	s.mu.Unlock()
	x.W.Header().Set("X-Goog-Upload-Status", uploadFinal)
	x.WriteJSON(http.StatusOK, wire.Encode(map[string]View{"file": s.view(x, f)}))
}

// uploadState answers without a body.
func uploadState(x *exchange.Exchange, status string, code int) {
	x.W.Header().Set("X-Goog-Upload-Status", status)
	x.W.Header().Set("Content-Length", "0")
	x.WriteHeader(code)
	x.Answered = true
}

// uploadError answers as the upload backend does: in plain text.
func uploadError(x *exchange.Exchange, code int, status, text string) {
	if status != "" {
		x.W.Header().Set("X-Goog-Upload-Status", status)
	}
	x.W.Header().Set("Content-Type", "text/plain; charset=utf-8")
	x.WriteHeader(code)
	_, err := io.WriteString(x.W, text)
	x.Sent(err)
}
