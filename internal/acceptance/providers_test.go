package acceptance

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/anthropicsim"
	"fluxgate.dev/fluxgate/internal/emulator/emulatortest"
	"fluxgate.dev/fluxgate/internal/openaisim"
	"fluxgate.dev/fluxgate/internal/simquota"
)

// A foreign is another provider, which limits one organisation in a way of its own.
type foreign struct {
	name   string
	limits []simquota.Limit
	named  string // of its limits, in FLUXGATE_PROVIDERS; empty: its headers tell them
	output int    // tokens of each answer
	least  int    // requests that are answered at least: about half of what was seen
}

// Two instances over one database keep to the limits of other providers, of each kind one, as one does in memory
// (TestLimitsOfProviders of package simulation): nothing is refused, and they are used. What is kept of each stays small.
func TestLimitsOfProvidersOnFirestore(t *testing.T) {
	t.Parallel()
	emulatortest.Host(t)
	turn(60 * time.Second)
	const asked = 20 * time.Second
	all := []foreign{
		{"bucket", []simquota.Limit{{Dimension: simquota.Requests, Amount: 60, Per: time.Minute, Burst: 20}}, `{"of":"requests","most":60,"per":"1m","burst":20}`, 20, 15},
		{"window", []simquota.Limit{{Dimension: simquota.Requests, Amount: 6, Per: 10 * time.Second, Kind: simquota.Sliding}}, `{"of":"requests","most":6,"per":"10s"}`, 20, 6},
		{"places", []simquota.Limit{{Dimension: simquota.Requests, Amount: 2, Kind: simquota.AtOnce}}, `{"of":"at_a_time","most":2}`, 20, 2},
		{"anthropic", []simquota.Limit{
			simquota.PerMinute(simquota.Requests, 500), simquota.PerMinute(simquota.InputTokens, 100_000), simquota.PerMinute(simquota.OutputTokens, 3000)}, "", 150, 8},
	}
	var env, entries []string
	ledgers := make(map[string]*simquota.Ledger)
	for _, f := range all {
		limits, key, name := map[string][]simquota.Limit{"": f.limits}, "sk-of-"+f.name, strings.ToUpper(f.name)
		env = append(env, name+"_KEY_1="+key, name+"_PROJECT_1=org-of-"+f.name)
		const latency = 500 * time.Millisecond
		var handler http.Handler
		if f.name == "anthropic" {
			sim := anthropicsim.New(anthropicsim.Config{Keys: []anthropicsim.Key{{Value: key, Project: "org"}}, Models: []string{"m"}, Limits: limits, Latency: latency})
			handler, ledgers[f.name] = sim, sim.Ledger()
		} else {
			sim := openaisim.New(openaisim.Config{Keys: []openaisim.Key{{Value: key, Project: "org"}}, Models: []string{"m"}, Limits: limits, Latency: latency, Dialect: openaisim.Plain})
			handler, ledgers[f.name] = sim, sim.Ledger()
		}
		upstream := httptest.NewServer(handler)
		t.Cleanup(upstream.Close)
		if f.named == "" {
			env = append(env, name+"_BASE_URL="+upstream.URL)
			continue
		}
		entries = append(entries, fmt.Sprintf(`{"name":%q,"base_url":"%s/v1","models":["m"],"limits":[%s]}`, f.name, upstream.URL, f.named))
	}
	w := &world{env: append(env, "FLUXGATE_SKEW=5s", "FLUXGATE_PROVIDERS=["+strings.Join(entries, ",")+"]",
		`FLUXGATE_LIMITS={"bucket/m":{"rpm":-1,"tpm":-1},"window/m":{"rpm":-1,"tpm":-1},"places/m":{"rpm":-1,"tpm":-1}}`)}
	var ops operations
	database := ops.client(t)
	urls := []string{w.instance(t, database), w.instance(t, ops.client(t))}

	client, end := httpClient(t), time.Now().Add(asked)
	var callers sync.WaitGroup
	for i, f := range all {
		for j := range 4 {
			callers.Go(func() {
				for n := 0; time.Now().Before(end); n++ {
					f.ask(t, client, urls, fmt.Sprintf("%d/%d/%d", i, j, n), end)
				}
			})
		}
	}
	callers.Wait()
	admitted := 0
	for _, f := range all {
		counts := ledgers[f.name].Counts("org", "m")
		t.Logf("%s: %d answered, %d refused", f.name, counts.Accepted, counts.Refused)
		assert.Zero(t, counts.Refused, f.name)
		assert.GreaterOrEqual(t, counts.Accepted, f.least, f.name)
		admitted += counts.Accepted
	}
	t.Logf("%.2f writes and %.2f reads per request", float64(ops.writes.Load())/float64(admitted), float64(ops.reads.Load())/float64(admitted))
	documents, err := database.Collection("fluxgate").Documents(t.Context()).GetAll()
	require.NoError(t, err)
	found := 0
	for _, d := range documents {
		if project, ok := strings.CutPrefix(d.Ref.ID, "project-org-of-"); ok {
			found++
			size := 0
			for _, v := range d.Data() {
				if text, ok := v.([]byte); ok {
					size += len(text)
				}
			}
			t.Logf("%s: %d bytes", project, size)
			assert.Less(t, size, 8<<10, project)
		}
	}
	assert.Equal(t, len(all), found)
}

// ask sends a request to one instance and then the other, until it is answered, when it is told to.
func (f foreign) ask(t *testing.T, client *http.Client, urls []string, text string, end time.Time) {
	path := "/openai/v1/chat/completions"
	if f.name == "anthropic" {
		path = "/anthropic/v1/messages"
	}
	body := fmt.Sprintf(`{"model":"%s/m","max_tokens":1000,"messages":[{"role":"user","content":"%s write %d tokens"}]}`, f.name, text, f.output)
	for try := len(text); ; try++ {
		req, err := http.NewRequest(http.MethodPost, urls[try%len(urls)]+path, strings.NewReader(body))
		if !assert.NoError(t, err) {
			return
		}
		resp, err := client.Do(req)
		if !assert.NoError(t, err) {
			return
		}
		said, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return
		}
		millis, err := strconv.Atoi(resp.Header.Get("Retry-After-Ms"))
		if resp.StatusCode == http.StatusServiceUnavailable { // the store was too slow on this machine
			millis, err = 1000, nil
		}
		if !assert.NoError(t, err, "%d: %s", resp.StatusCode, said) {
			return
		}
		wait := time.Duration(millis) * time.Millisecond
		if time.Now().Add(wait).After(end) {
			time.Sleep(time.Until(end))
			return
		}
		time.Sleep(wait)
	}
}
