package server_test

import (
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/race"
)

// Who else may lose a turn by a refusal.
const (
	nobody       = "nobody"
	theModel     = "the model on that project"
	theProject   = "that project"
	theKey       = "that key"
	allItsKeys   = "all keys of that project"
	feature      = "nobody without the feature"
	embeddingOne = "gemini-embedding-001"
)

// losers says, for every body of a refusal that was captured or documented, who else
// loses a turn when a plain request gets it, and when one with a feature does. The
// bodies are as if a free call had confirmed what they say of a key.
var losers = map[string][2]string{
	"400_free_tier":                {theProject, theProject},
	"400_key_expired":              {theKey, theKey},
	"400_key_invalid":              {theKey, theKey},
	"400_key_invalid_openai_array": {theKey, theKey},
	"400_location":                 {nobody, nobody},
	"400_quotes_caller":            {nobody, nobody},
	"400_not_enabled":              {nobody, nobody},
	"400_too_many_tokens":          {nobody, nobody},
	"400_two_credentials":          {nobody, nobody},
	"401_token_type":               {theKey, theKey},
	"402_billing":                  {theProject, theProject},
	"403_api_off":                  {allItsKeys, allItsKeys},
	"403_denied":                   {theProject, theProject},
	"403_file":                     {nobody, nobody},
	"403_leaked":                   {theKey, theKey},
	"403_no_key":                   {theKey, theKey},
	"403_permission":               {theModel, feature},
	"403_policy":                   {theModel, feature},
	"403_restricted":               {theKey, theKey},
	"403_suspended":                {theKey, theKey},
	"404_deprecated":               {theModel, theModel},
	"404_entity":                   {nobody, nobody},
	"404_gone":                     {theModel, theModel},
	"404_unknown":                  {nobody, nobody}, // the model is pinned
	"429_bare":                     {theModel, feature},
	"429_billing_cap":              {theProject, theProject},
	"429_billing_prepaid":          {theProject, theProject},
	"429_day":                      {theModel, theModel},
	"429_day_and_minute":           {theModel, theModel},
	"429_day_embed":                {theModel, theModel},
	"429_day_paid_long_message":    {theModel, theModel},
	"429_day_tokens":               {theModel, theModel},
	"429_errorinfo_minute":         {theModel, theModel},
	"429_grounding_minute":         {nobody, feature},
	"429_help_only":                {theModel, feature},
	"429_limit_zero_message":       {theModel, theModel},
	"429_limit_zero_value":         {theModel, theModel},
	"429_minute":                   {theModel, theModel},
	"429_minute_embed":             {theModel, theModel},
	"429_minute_paid_tier":         {theModel, theModel},
	"429_minute_tokens":            {theModel, theModel},
	"429_minute_tokens_paid":       {theModel, theModel},
	"429_openai_array":             {theModel, theModel},
	"429_search_day":               {nobody, feature},
	"429_search_zero":              {nobody, feature},
	"429_spend":                    {theProject, theProject},
	"500_internal":                 {nobody, nobody},
	"503_high_demand":              {nobody, nobody},
	"504_deadline":                 {nobody, nobody},
}

// A kind is one of requests.
type kind struct {
	name, path, body, model string
	feature                 string // with a quota of its own, that it asks for
	free                    bool   // it costs no quota, and says nothing of any
	content                 bool   // it refers to more than its text
}

var kinds = []kind{
	{name: "plain", path: "/v1beta/models/gemini-2.5-pro:generateContent", body: hello, model: pro},
	{name: "streamed", path: "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse", body: hello, model: pro},
	{name: "/generate", path: "/generate", body: `{"prompt":"hello","model":"gemini-2.5-pro"}`, model: pro},
	{name: "OpenAI", path: "/v1beta/openai/chat/completions", body: chat, model: pro},
	{name: "grounded", path: "/v1beta/models/gemini-2.5-pro:generateContent", body: grounded["google_search"].body, model: pro, feature: "search"},
	{name: "grounded, OpenAI", path: "/v1beta/openai/chat/completions", body: strings.Replace(grounded["OpenAI"].body, "auto", pro, 1), model: pro, feature: "search"},
	{name: "image", path: "/v1beta/models/gemini-2.5-pro:generateContent", body: grounded["images"].body, model: pro, feature: "images"},
	{name: "video", path: "/v1beta/models/gemini-2.5-pro:generateContent", body: `{"contents":[{"parts":[{"fileData":{"fileUri":"https://youtu.be/x"}}]}]}`, model: pro, content: true},
	{name: "embedding", path: "/v1beta/models/gemini-embedding-001:embedContent", body: `{"content":{"parts":[{"text":"x"}]}}`, model: embeddingOne},
	{name: "counted", path: "/v1beta/models/gemini-2.5-pro:countTokens", body: hello, model: pro, free: true},
}

var modelOfQuota = regexp.MustCompile(`"model": "[^"]*"`)

// saidOfKeys reports whether a refusal is said of a key, and believed once a free call says so too.
func saidOfKeys(left string) bool { return left == theKey || left == allItsKeys }

// loses reports whether a request of another kind loses its turn on the project by what
// is left of a refusal.
func (k kind) loses(left string, other kind) bool {
	switch left {
	case allItsKeys:
		return true
	case theProject:
		return !other.free
	case theModel:
		return !other.free && other.model == k.model
	case feature:
		return other.feature != "" && other.feature == k.feature
	}
	return false
}

// losesLike reports whether the same is lost by a refusal of either kind, but for the name of the model or the feature.
func (k kind) losesLike(other kind) bool {
	return (k.feature != "") == (other.feature != "") && k.free == other.free && k.content == other.content
}

// Every refusal times every kind of request: who else loses a turn, and nobody does
// who shouldn't. It is looked at by another instance, that has the project that refused
// and no other.
func TestWhoLosesATurnByARefusal(t *testing.T) {
	race.Skip(t)
	t.Parallel()
	files, err := filepath.Glob("../upstream/gemini/testdata/*.json")
	require.NoError(t, err)
	require.Len(t, losers, len(files), "each body is in the table")
	asked := kinds
	if testing.Short() { // of neighbours that lose alike only the first
		asked = slices.CompactFunc(slices.Clone(kinds), kind.losesLike)
	}
	for name, expected := range losers {
		for _, kind := range asked {
			for _, confirmed := range []bool{true, false} {
				if !confirmed && !saidOfKeys(expected[0]) {
					continue // a free call is made for what is said of a key only: nothing is different
				}
				want := expected[0]
				if kind.feature != "" {
					want = expected[1]
				}
				switch {
				case saidOfKeys(want) && !confirmed && kind.feature != "":
					want = feature
				case saidOfKeys(want) && !confirmed && !kind.content && !kind.free:
					want = theModel
				case saidOfKeys(want) && !confirmed, kind.free && !saidOfKeys(want), kind.content && (name == "403_permission" || name == "403_policy"):
					want = nobody
				}
				t.Run(name+" "+kind.name+map[bool]string{true: "", false: " unconfirmed"}[confirmed], func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						expected := []string{}
						for _, other := range kinds {
							if kind.loses(want, other) {
								expected = append(expected, other.name)
							}
						}
						lose, marked := whoLoses(t, name, kind, confirmed)
						assert.Equal(t, expected, lose)
						assert.Equal(t, want == theKey, marked == 1, "the key alone")
					})
				})
			}
		}
	}
}

// whoLoses sends a request which one project refuses once, and returns the kinds of
// requests that then aren't sent to it, and how many of its two keys are marked.
func whoLoses(t *testing.T, name string, k kind, confirmed bool) (lose []string, marked int) {
	status, text := refusalBody(t, name)
	text = modelOfQuota.ReplaceAllString(text, `"model": "`+k.model+`"`)
	var refused string // the key
	up, s := stubbed(nil)
	up.answer = func(h heard) *http.Response {
		sent := h.header.Get("X-Goog-Api-Key") + strings.TrimPrefix(h.header.Get("Authorization"), "Bearer ")
		counts := strings.HasSuffix(h.path, ":countTokens")
		switch {
		case refused == "" && (isCall(h) || k.free && counts):
			refused = sent
			return respond(status, text)
		case refused == sent && confirmed && strings.HasSuffix(h.path, "/models") && saidOfKeys(losers[name][0]):
			return respond(status, text)
		}
		return nil
	}
	s.keys = append(projects("alpha", "beta"), key(3, "alpha"), key(4, "beta"))
	s.env = []string{`FLUXGATE_LIMITS={"pro":{"rpm":-1,"rpd":-1}}`}
	w := newWorld(t, s)
	w.do("POST", k.path, k.body)
	require.NotEmpty(t, refused)

	project := ""
	for _, key := range s.keys {
		if key.Value == refused {
			project = key.Project
		}
	}
	for _, other := range []string{"alpha", "beta"} {
		states, err := w.store.View(t.Context(), []string{other})
		require.NoError(t, err)
		if other != project && states[0] != nil {
			for _, c := range states[0].Calendars {
				assert.Empty(t, c.Block, "the other project")
				assert.Empty(t, c.Learned, "the other project")
			}
			assert.Empty(t, states[0].Marks, "the other project")
		} else if states[0] != nil {
			marked = len(states[0].Marks)
		}
	}
	alone := *w.cfg
	alone.Keys = slices.DeleteFunc(slices.Clone(alone.Keys), func(k config.KeyEntry) bool { return k.Project != project })
	w.cfg = &alone
	there := w.instance()
	lose = []string{}
	for _, other := range kinds {
		sent := 0
		up.answer = func(h heard) *http.Response {
			if isCall(h) || other.free {
				sent++
			}
			return nil
		}
		a := ask(t, there, "POST", other.path, other.body)
		if sent == 0 {
			assert.GreaterOrEqual(t, a.Code, 400)
			lose = append(lose, other.name)
			continue
		}
		assert.Equal(t, http.StatusOK, a.Code, "%s: %s", other.name, a.Body)
	}
	return lose, marked
}
