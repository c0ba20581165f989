package geminisim

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"fluxgate.dev/fluxgate/internal/geminisim/credentials"
	"fluxgate.dev/fluxgate/internal/geminisim/exchange"
	"fluxgate.dev/fluxgate/internal/geminisim/journal"
	"fluxgate.dev/fluxgate/internal/geminisim/live"
	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// maxBody is how much of a request body is read, in bytes: the 100 MiB that
// the real service takes inline since 2026.
const maxBody = 100 << 20

// call is one HTTP request on its way through the server.
type call struct {
	exchange.Exchange
	s *Server
	route
	credentials []credentials.Presented
	key         string // the fingerprint of the credential
	images      int64  // that the answer has
	recorded    bool
	seen        *journal.Request // the entry in the request log
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, _, ok := live.IsPath(r.URL.Path); ok {
		s.live.ServeHTTP(w, r)
		return
	}
	c := &call{Exchange: exchange.Exchange{W: w, R: r}, s: s, route: parseRoute(r.Method, r.URL.Path), credentials: credentials.Of(r)}
	c.Model = c.route.model
	defer c.finish() // a reset is a panic
	if err := c.serve(); err != nil {
		c.fail(err)
	}
}

func (c *call) serve() *wire.Error {
	if c.op == opUpload {
		return c.upload()
	}
	var err error
	c.Body, err = io.ReadAll(http.MaxBytesReader(c.W, c.R.Body, maxBody))
	c.Arrived = c.s.now()
	refused := c.authenticate()
	c.enter()
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return wire.InvalidArgument(fmt.Sprintf("Request payload size exceeds the limit: %d bytes.", maxBody))
	case err != nil: // it never arrived
		c.op = opNone
		return wire.Cancelled()
	case c.op == opNone:
		return wire.NoSuchURL()
	case refused != nil:
		return refused
	}
	var invalid *wire.Error
	if c.Body, invalid = wire.StandardJSON(c.R.Header.Get("Content-Type"), c.Body); invalid != nil {
		return invalid
	}
	switch c.op {
	case opListModels:
		return c.listModels()
	case opGetModel:
		return c.getModel()
	case opGenerate, opStream:
		return c.generate()
	case opCount:
		return c.count()
	case opEmbed:
		return c.embed()
	case opBatchEmbed:
		return c.batchEmbed()
	case opChat:
		return c.s.openai.Chat(&c.Exchange, c.run)
	case opOpenAIEmbeddings:
		return c.s.openai.Embeddings(&c.Exchange, c.runEmbed)
	case opOpenAIModels:
		return c.s.openai.List(&c.Exchange)
	case opOpenAIModel:
		return c.s.openai.Model(&c.Exchange, c.version, c.route.model)
	case opCreateInteraction:
		return c.s.interactions.Create(&c.Exchange, c.run)
	case opGetInteraction:
		return c.s.interactions.Get(&c.Exchange, c.id)
	case opDeleteInteraction:
		return c.s.interactions.Delete(&c.Exchange, c.id)
	case opCancelInteraction:
		return c.s.interactions.Cancel(&c.Exchange, c.id)
	case opPredict, opImages:
		return c.makeImages()
	case opPredictLongRunning, opCreateBatch, opLongRunning:
		return c.longRunning()
	case opDownload:
		return c.s.files.Download(&c.Exchange, c.id)
	case opCreateToken:
		return c.createToken()
	default:
		return c.resource()
	}
}

// resource serves the requests for files and cached contents.
func (c *call) resource() *wire.Error {
	switch c.op {
	case opListFiles:
		return c.s.files.List(&c.Exchange)
	case opGetFile:
		return c.s.files.Get(&c.Exchange, c.id)
	case opDeleteFile:
		return c.s.files.Delete(&c.Exchange, c.id)
	case opCreateCache:
		return c.s.caches.Create(&c.Exchange, c.version)
	case opListCaches:
		return c.s.caches.List(&c.Exchange)
	case opGetCache:
		return c.s.caches.Get(&c.Exchange, c.id)
	case opPatchCache:
		return c.s.caches.Patch(&c.Exchange, c.id)
	default:
		return c.s.caches.Delete(&c.Exchange, c.id)
	}
}

// authenticate finds out whose a request is.
func (c *call) authenticate() (refused *wire.Error) {
	who, refused := c.s.keys.Authenticate(c.credentials, c.openai, c.op.rpc(c.version))
	c.Project, c.key = who.Project, who.Fingerprint
	return refused
}
