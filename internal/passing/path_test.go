package passing

import (
	"slices"
	"strings"
	"testing"
)

// A path that is a route's own stays as it is, and so does its request hash: tickets
// and bookings of before this step, and of older builds beside it, go on.
func TestOwnSpellingsStay(t *testing.T) {
	for _, path := range []string{
		"/", "*", "/generate", "/health", "/status", "/metrics", "/plan", "/config", "/validate", "/refresh-policy", "/reset", "/tickets/x",
		"/v1beta/models", "/v1beta/models/x", "/v1beta/models/x:generateContent", "/v1/models", "/v1/models/x:generateContent",
		"/v1beta/models/x%3AgenerateContent", "/v1beta/files", "/v1/files/x", "/v1beta/cachedContents", "/v1/cachedContents/x",
		"/upload/v1beta/files", "/upload/v1/files", "/v1beta/openai/chat/completions", "/v1beta/openai/embeddings", "/v1beta/openai/models",
		"/v1beta/openai/models/models/x", "/openai/v1/chat/completions", "/openai/v1/embeddings", "/openai/v1/models", "/openai/v1/models/x",
		"/v1beta/models/../files", "/v1beta/./models", "/v1beta/openai", "/v1beta/openai/", "/openai/v1/", "/v1beta/models/", "/v1beta/corpora",
		"/upload/download/v1beta/files", "/download/upload/v1beta/files/x",
		"/anthropic", "/anthropic/", "/anthropic/v1", "/anthropic/v1/", "/anthropic/v1/messages", "/anthropic/v1/messages/batches/x",
	} {
		if got := Spelling(path, false); got != path {
			t.Errorf("%s becomes %s", path, got)
		}
	}
}

// Anthropic's clients add the version to a base URL that may have it already, or been cut before.
func TestSpellingsOfAnthropics(t *testing.T) {
	for _, path := range []string{"/anthropic/v1/messages", "/anthropic/v1/v1/messages", "/anthropic/messages", "//anthropic//v1//messages", "/anthropic/v1/v1/v1/messages",
		"/v1/anthropic/v1/messages", "/anthropic/anthropic/v1/messages", "/anthropic/v1beta/messages"} {
		if got := Spelling(path, false); got != "/anthropic/v1/messages" {
			t.Errorf("%s becomes %s", path, got)
		}
	}
}

// Whatever comes, only a beginning changes: the segments after it are the caller's
// own, in their order, and there is nothing that a second step would change.
func FuzzSpelling(f *testing.F) {
	for _, path := range []string{"//v1beta/models/x", "/v1/chat/completions", "/v1beta/upload/v1beta/files", "/models/..%2fx", "/a/./b", "//", "", "/upload/openai/models", "/openai/openai/v1alpha", "/anthropic/v1/v1/messages", "/anthropic/v1/v1", "/anthropic/v1//"} {
		f.Add(path, true)
		f.Add(path, false)
	}
	added := []string{"v1beta", "v1", "v1alpha", "openai", "anthropic", "upload", "download"}
	f.Fuzz(func(t *testing.T, path string, byOpenAI bool) {
		got := Spelling(path, byOpenAI)
		if again := Spelling(got, byOpenAI); again != got {
			t.Errorf("%q becomes %q, and then %q", path, got, again)
		}
		if got == path {
			return
		}
		if !strings.HasPrefix(got, "/") || strings.Contains(got, "//") {
			t.Errorf("%q becomes %q", path, got)
		}
		own := func(s string) bool { return s == "" || slices.Contains(added, s) }
		if was, is := strings.Split(path, "/"), strings.Split(got, "/"); !slices.Equal(slices.DeleteFunc(was, own), slices.DeleteFunc(is, own)) {
			t.Errorf("%q becomes %q", path, got)
		}
	})
}
