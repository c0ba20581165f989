package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

//go:embed page.html page.css js
var files embed.FS

// scripts are the parts of the one script, in its order.
var scripts = []string{"format.js", "dom.js", "shape.js", "timeline.js", "providers.js", "calendars.js", "pool.js", "keys.js", "panels.js", "actions.js", "live.js"}

// The places of the style and of the script. A module is strict and has a scope
// of its own.
const (
	stylePlace  = "<style></style>"
	scriptPlace = `<script type="module"></script>`
)

// A document is what is served, and what its head has to say of it.
type document struct {
	html   []byte
	policy string // the Content-Security-Policy
	tag    string // the entity tag
}

// served is put together when it is first asked for: a cold start that serves a model's caller
// doesn't wait for it.
var served = sync.OnceValue(assemble)

// assemble puts the parts together. The policy's hashes are those of the very
// text that is served, so they can't differ from it.
func assemble() document {
	style := read("page.css")
	var script strings.Builder
	for _, name := range scripts {
		script.WriteString(read("js/" + name))
	}
	html := read("page.html")
	html = strings.Replace(html, stylePlace, strings.Replace(stylePlace, "><", ">"+style+"<", 1), 1)
	html = strings.Replace(html, scriptPlace, strings.Replace(scriptPlace, "><", ">"+script.String()+"<", 1), 1)
	sum := sha256.Sum256([]byte(html))
	return document{
		html: []byte(html),
		policy: strings.Join([]string{
			"default-src 'none'",
			"script-src " + source(script.String()),
			"style-src " + source(style),
			"connect-src 'self'",
			"img-src data:",
			"form-action 'none'",
			"base-uri 'none'",
			"frame-ancestors 'none'",
			"require-trusted-types-for 'script'",
			"trusted-types 'none'",
		}, "; "),
		tag: `"` + hex.EncodeToString(sum[:12]) + `"`,
	}
}

// source is how a policy allows one inline text.
func source(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func read(name string) string {
	text, err := files.ReadFile(name)
	if err != nil {
		panic(fmt.Sprintf("page: %v", err)) // it was embedded when this was built
	}
	return string(text)
}

// Handler serves the page to GET and HEAD, whatever the path.
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page, h := served(), w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", page.policy)
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", page.tag)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(page.html))
	})
}
