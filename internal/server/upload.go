package server

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/batchlines"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/dispatch/placing"
	"fluxgate.dev/fluxgate/internal/exchange"
	"fluxgate.dev/fluxgate/internal/httpconn"
	"fluxgate.dev/fluxgate/internal/others"
	"fluxgate.dev/fluxgate/internal/passing"
	"fluxgate.dev/fluxgate/internal/problems"
	"fluxgate.dev/fluxgate/internal/proxies"
	"fluxgate.dev/fluxgate/internal/uploadurl"
	"fluxgate.dev/fluxgate/internal/upstream"
)

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
// come, whatever there is of them; what is short is held until then.
func (s *Server) upload(w http.ResponseWriter, r *http.Request, m match) error {
	who := s.who(r)
	if name, ok := s.uploads.Of(r); ok {
		who.Name = name // whoever goes on with it, it is whose it was
	}
	p, err := s.dispatch.PoolFor(r.Context(), who, m.Mentioned(m.names, nil))
	if err != nil {
		return err
	}
	if owner := r.URL.Query().Get(uploadurl.OwnerParameter); owner != "" {
		if !p.Has(owner) {
			return apierror.Invalid(uploadurl.OwnerParameter, "there is no such project here.")
		}
		p = p.Only(owner)
	} else if p, err = s.dispatch.Place(r.Context(), who, p, m.Collection(), r.Header.Get(placing.BesideHeader)); err != nil {
		return err
	}
	asked := passing.WithQuery(r, passing.Wholly)
	switch starts := passing.StartsUpload(r, r.URL.Query()); {
	case !s.dispatch.Confines(s.who(r)):
	case starts:
		// An upload that was started before is none of its business.
		asked = passing.WithQuery(asked, func(query url.Values) { query.Del(passing.UploadID) })
	case !s.uploads.IsOf(r, callerOf(r)):
		return errNoUpload
	}
	length := r.ContentLength
	var take func() (io.Reader, bool)
	again := strings.EqualFold(r.Header.Get("X-Goog-Upload-Command"), "start")
	if again {
		// The start can be sent twice whatever was said to it.
		start, held, err := s.received.AtMost(w, r, maxUploadStart)
		if err != nil {
			return err
		}
		defer held.Release()
		length, take = int64(len(start)), func() (io.Reader, bool) { return bytes.NewReader(start), true }
	} else {
		httpconn.BoundBody(w, r, maxUpload)
		body, err := s.bodies.Pass(r.Body, length)
		if err != nil {
			return problems.OfBody(err, 0)
		}
		defer body.Release()
		take = body.Take
	}
	ctx, cancel := context.WithTimeout(r.Context(), maxUpload)
	defer cancel()
	seen, err := s.files.Begin(ctx, batchlines.PieceOf(r, who, again || len(m.Makes) == 0))
	if err != nil {
		return err
	}
	var a *exchange.Whole
	err = exchange.Passing(ctx, s.dispatch, p, again, take, func(ctx context.Context, to dispatch.Target, body io.Reader) (failure *upstream.Error) {
		a, failure = exchange.ReadWhole(to.Context(ctx), asked, to, r.Method, m.path(""), seen.Body(ctx, to.Key.Project, body), length, exchange.MaxErrorBody)
		return failure
	})
	if err != nil {
		return err
	}
	told := others.Told(m.Route, a)
	if err = seen.Done(ctx, told); err == nil {
		err = s.dispatch.Made(ctx, who, a.To.Key.Project, told...)
	}
	if err != nil {
		return err
	}
	s.passUpload(w, r, a)
	return nil
}

// errNoUpload says, as Google does, that an upload isn't there, or is another's.
var errNoUpload = apierror.New(apierror.NotFound, "Upload not found.")

// passUpload answers with upstream's answer, in which the caller is sent on to here.
func (s *Server) passUpload(w http.ResponseWriter, r *http.Request, a *exchange.Whole) {
	h := w.Header()
	passing.Upload(h, a.Header)
	for name := range a.Header {
		theirs := h.Get(name)
		if theirs == "" || !strings.HasPrefix(name, passing.UploadHeaders) || !strings.HasSuffix(name, canonicalURL) {
			continue
		}
		h.Del(name)
		own, err := s.ownURL(r, theirs, a.To.Key.Project)
		if err != nil {
			s.logger(r.Context()).Error("upload URL not understood", "header", name)
			continue
		}
		h[strings.TrimSuffix(name, canonicalURL)+"URL"] = []string{own}
	}
	a.Pass(w)
}

// ownURL rewrites an upload URL of upstream's so that the caller stays here.
func (s *Server) ownURL(r *http.Request, theirs, project string) (string, error) {
	u, err := url.Parse(theirs)
	if err != nil {
		return "", err
	}
	query := passing.QueryValues(u.Query())
	query.Set(uploadurl.OwnerParameter, project)
	if s.tellsApart() {
		s.uploads.Sign(query, r, arrivalOf(r).caller)
	}
	return proxies.OutsideOf(r).URL(r.URL.Path, query.Encode()), nil
}
