package server

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/bodies"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// ownerParameter carries the project of an upload in the URL that the caller
// goes on with.
const ownerParameter = "fluxgate_project"

// canonicalURL ends the names of headers that hold a URL, as net/http spells them.
// They go out as Google spells them over HTTP/1, X-Goog-Upload-URL: its Python SDK
// makes a plain dict of the headers that aiohttp has read, and looks for that. HTTP/2
// knows lower case only, and other clients don't care.
const canonicalURL = "Url"

const (
	// maxUpload bounds one request of an upload.
	maxUpload = time.Hour
	// maxUploadStart bounds the description of a file that is to be uploaded.
	maxUploadStart = 1 << 20
)

// upload serves uploads of files: their start, which chooses a project, and what
// follows, which goes to the same one. The files' bytes are passed on as they
// come, whatever there is of them.
func (s *Server) upload(w http.ResponseWriter, r *http.Request) error {
	p, err := s.dispatch.Pool(r.Context())
	if err != nil {
		return err
	}
	if owner := r.URL.Query().Get(ownerParameter); owner != "" {
		if !p.Has(owner) {
			return apierror.Invalid(ownerParameter, "there is no such project here.")
		}
		p = p.Only(owner)
	}
	body, length := io.Reader(r.Body), r.ContentLength
	var start []byte
	var held bodies.Charge
	defer func() { held.Release() }()
	again := strings.EqualFold(r.Header.Get("X-Goog-Upload-Command"), "start")
	if again {
		// Only the start can be sent twice: a file's bytes are gone once they were
		// read.
		if start, held, err = s.readAtMost(w, r, maxUploadStart); err != nil {
			return err
		}
		length = int64(len(start))
	} else {
		// It isn't held, but passes through.
		if held, err = s.bodies.Charge(bodies.Each); err != nil {
			return bodyProblem(err, 0)
		}
		boundBody(w, r, maxUpload)
	}
	ctx, cancel := context.WithTimeout(r.Context(), maxUpload)
	defer cancel()
	attempts := 0
	return s.dispatch.Free(ctx, p, again, func(ctx context.Context, to dispatch.Target) *upstream.Error {
		if again {
			body = bytes.NewReader(start)
		} else if attempts++; attempts > 1 {
			return &upstream.Error{Class: upstream.ClassServer, Message: "The upload's body was sent with a key that can't be used."}
		}
		return s.uploadOnce(to.Context(ctx), w, r, to, body, length)
	})
}

func (s *Server) uploadOnce(ctx context.Context, w http.ResponseWriter, r *http.Request, to dispatch.Target, body io.Reader, length int64) *upstream.Error {
	resp, err := forward(ctx, r, to, r.Method, "upload/"+upstreamVersion+"/files", body, length)
	if err != nil {
		return upstream.TransportError(ctx, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil {
		return upstream.TransportError(ctx, err)
	}
	at, _ := upstream.Sent(ctx)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		e := to.Classify(resp.StatusCode, text)
		e.SentAt, e.Header = at, upstream.ErrorHeader(resp.Header)
		return e
	}
	s.dispatch.Remember(text, to.Key.Project)
	h := w.Header()
	passHeaders(h, resp.Header, responseHeaders)
	passUpload(h, resp.Header)
	for name := range resp.Header {
		theirs := h.Get(name)
		if theirs == "" || !strings.HasPrefix(name, uploadHeaders) || !strings.HasSuffix(name, canonicalURL) {
			continue
		}
		h.Del(name)
		own, err := s.ownURL(r, theirs, to.Key.Project)
		if err != nil {
			s.logger(ctx).Error("upload URL not understood", "header", name)
			continue
		}
		h[strings.TrimSuffix(name, canonicalURL)+"URL"] = []string{own}
	}
	h.Set(keyHeader, strconv.Itoa(to.Key.Index))
	w.WriteHeader(resp.StatusCode)
	_, _ = w.Write(text) // the caller may have left
	return nil
}

// ownURL rewrites an upload URL of upstream's so that the caller stays here.
func (s *Server) ownURL(r *http.Request, theirs, project string) (string, error) {
	u, err := url.Parse(theirs)
	if err != nil {
		return "", err
	}
	query := passQuery(u.Query())
	query.Set(ownerParameter, project)
	if s.callers != nil && !s.callers.Open() {
		s.signUpload(query, r)
	}
	version := upstreamVersion
	if strings.HasPrefix(r.URL.Path, uploadPath+versionAlpha+"/") {
		version = versionAlpha
	}
	return outsideOf(r).url(uploadPath+version+"/files", query.Encode()), nil
}
