package wait

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
)

// upgrade returns the protocol that a client asks to go on in, as sessions of the Live API do; empty: none.
func upgrade(r *http.Request) string {
	if r.Method != http.MethodGet || !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		return ""
	}
	return r.Header.Get("Upgrade")
}

// session passes what comes from either side of a connection that goes on in another protocol, until one of them ends it or
// the proxy breaks off what is under way.
func (p *Proxy) session(w http.ResponseWriter, response *http.Response) error {
	there, ok := response.Body.(io.ReadWriteCloser)
	if !ok {
		return errors.ErrUnsupported // net/http says that it is one
	}
	here, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return err
	}
	end := func() { _, _ = here.Close(), there.Close() }
	defer end()
	defer context.AfterFunc(p.sessions, end)()
	response.Body = nil // Write is for the header alone
	if err := response.Write(buffered); err != nil {
		return nil // the client has left
	}
	if err := buffered.Flush(); err != nil {
		return nil
	}
	ended := make(chan struct{}, 2)
	pass := func(to io.Writer, from io.Reader) {
		_, _ = io.Copy(to, from)
		ended <- struct{}{}
	}
	go pass(there, buffered)
	go pass(here, there)
	<-ended
	end()
	<-ended
	return nil
}
