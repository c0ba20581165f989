package geminisim

import (
	"net/http"

	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// upload serves the start of an upload, whole uploads in one request and the
// requests of a session.
func (c *call) upload() *wire.Error {
	c.Arrived = c.s.now()
	if id := c.R.URL.Query().Get("upload_id"); id != "" {
		return c.continueUpload(id)
	}
	refused := c.authenticate()
	c.enter()
	switch {
	case c.R.Method != http.MethodPost:
		return wire.NoSuchURL()
	case refused != nil:
		return refused
	}
	return c.s.files.Start(&c.Exchange, c.id)
}

// continueUpload serves a request to the URL of a session. The URL is enough of a
// credential; a key that comes with it has to be of the session's project.
func (c *call) continueUpload(session string) *wire.Error {
	owner, known := c.s.files.Owner(session)
	var refused *wire.Error
	if len(c.credentials) > 0 {
		refused = c.authenticate()
	}
	switch {
	case !known, refused != nil:
	case c.Project == "":
		c.Project = owner
	case c.Project != owner:
		refused = wire.PermissionDenied("The caller does not have permission")
	}
	c.enter()
	if refused != nil {
		return refused
	}
	c.s.files.GoOn(&c.Exchange, session)
	return nil
}
