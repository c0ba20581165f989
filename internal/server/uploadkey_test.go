package server_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/geminisim/credentials"
)

// An upload whose key turns out to be leaked goes out with another, with all of its body, if that is
// short. Of what is long the bytes are gone: it is said that it may be sent again, and then it is served.
func TestUploadsMeetALeakedKey(t *testing.T) {
	for name, c := range map[string]struct {
		content string
		held    bool
	}{"short": {"abc", true}, "long": {strings.Repeat("abc ", 20_000), false}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := shared(t, nil)
				file := w.makeFile(aliceToken, "")
				for _, k := range w.cfg.Keys {
					if k.Project == w.ownerOf(file) {
						w.sim.SetKeyState(k.Value.Reveal(), credentials.Leaked)
					}
				}
				raw := func() answer {
					return w.do("POST", "/upload/v1beta/files", c.content, append(as(aliceToken), "X-Goog-Upload-Protocol", "raw", "Content-Type", "text/plain")...)
				}
				if !c.held {
					a := raw()
					assert.Contains(t, a.failed(http.StatusServiceUnavailable).Message, "The key that was chosen can't be used any more. Please retry")
					assert.NotEmpty(t, a.Header().Get("Retry-After"))
				}
				a := raw()
				assert.Equal(t, http.StatusOK, a.Code, a.Body)
				assert.NotEqual(t, w.ownerOf(file), w.ownerOf(a.field("file.name")))
			})
		})
	}
}
