package upgradetest

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/emulator/emulatortest"
	"fluxgate.dev/fluxgate/internal/events"
	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/history"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
	"fluxgate.dev/fluxgate/storage/gcpfirestore"
)

// With -update, TestGoldenDatabase first has the last release make the golden
// documents anew.
var update = flag.Bool("update", false, "make the golden documents by the last release")

// golden is where the documents lie that the last release has written, and what it
// said of them.
func golden(name string) string { return filepath.Join("testdata", lastRelease[:7], name) }

// plausible are limits that are believed when Gemini reports them.
var plausible = map[string]geminisim.Limits{
	busy: {RPM: 10, TPM: 250_000, RPD: 250}, first: {RPM: 5, TPM: 250_000, RPD: 100}, second: {RPM: 15, TPM: 250_000, RPD: 500},
}

// A document is one as Firestore's REST interface has it.
type document struct {
	Name   string          `json:"name"` // without what is before the collection
	Fields json.RawMessage `json:"fields"`
}

// rest calls the REST interface of the emulator, as the server libraries do.
func rest(t *testing.T, method, under string, body []byte) []byte {
	t.Helper()
	url := "http://" + emulatortest.Host(t) + "/v1/projects/" + emulatortest.Project(t) + "/databases/(default)/documents/" + under
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer owner")
	return do(t, req)
}

// call calls an instance.
func call(t *testing.T, method, url, body string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	return do(t, req)
}

func do(t *testing.T, req *http.Request) []byte {
	t.Helper()
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode, "%s %s: %s", req.Method, req.URL, data)
	return data
}

// documents returns everything that is stored.
func documents(t *testing.T) []document {
	t.Helper()
	var list struct{ Documents []document }
	require.NoError(t, json.Unmarshal(rest(t, http.MethodGet, "fluxgate?pageSize=100", nil), &list))
	for i := range list.Documents {
		list.Documents[i].Name = path.Base(list.Documents[i].Name)
	}
	return list.Documents
}

func store(t *testing.T, d document) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"fields": d.Fields})
	require.NoError(t, err)
	rest(t, http.MethodPatch, "fluxgate/"+d.Name, body)
}

// checkedNow has the keys of a record of validation be checked a moment ago: what
// is older than a day is checked anew when an instance starts.
func checkedNow(t *testing.T, d *document, now time.Time) {
	t.Helper()
	var fields struct {
		Data struct {
			Bytes []byte `json:"bytesValue"`
		} `json:"data"`
	}
	require.NoError(t, json.Unmarshal(d.Fields, &fields))
	var record map[string]any
	require.NoError(t, json.Unmarshal(fields.Data.Bytes, &record))
	record["report"].(map[string]any)["at"] = now
	var err error
	fields.Data.Bytes, err = json.Marshal(record)
	require.NoError(t, err)
	d.Fields, err = json.Marshal(fields)
	require.NoError(t, err)
}

// told is what /status says that doesn't depend on the time, nor on what happens
// when an instance starts.
func told(t *testing.T, status []byte) map[string]any {
	t.Helper()
	var all map[string]any
	require.NoError(t, json.Unmarshal(status, &all))
	out := map[string]any{}
	for _, name := range []string{"mode", "mode_source", "model_chain", "chain_source", "reported_policy"} {
		require.NotEmpty(t, all[name], "the status has no %s", name)
		out[name] = all[name]
	}
	keys := map[string]any{}
	for _, k := range all["keys"].([]any) {
		k := k.(map[string]any)
		keys[k["fingerprint"].(string)] = []any{k["key_index"], k["project"], k["status"]}
	}
	out["keys"] = keys
	return out
}

// makeGolden has the last release write every kind of document.
func makeGolden(t *testing.T) {
	w := newWorld(t, plausible)
	// A project that was used on a day which is over: history is made of that.
	state, err := os.ReadFile(filepath.Join(root, "storage", "internal", "codec", "testdata", lastRelease[:7], "caller.state"))
	require.NoError(t, err)
	fields, err := json.Marshal(map[string]any{"state": map[string]any{"bytesValue": state}})
	require.NoError(t, err)
	store(t, document{"project-" + project(3), fields})

	w.env = append(w.env, "FLUXGATE_POLICY=ask", `FLUXGATE_CALLERS={"anonymous":{"rpm":1000}}`)
	old := w.start(t, buildRelease(t))
	for range 10 {
		call(t, http.MethodPost, old.url+"/generate", `{"prompt":"Hello"}`)
	}
	call(t, http.MethodPost, old.url+"/refresh-policy", "")
	for _, change := range []string{
		`{"mode":"flash_only"}`, `{"disable_key":2}`, `{"chain":["` + busy + `","` + second + `"]}`, `{"limits":{"` + second + `":{"rpm":1,"rpd":77}}}`,
	} {
		call(t, http.MethodPost, old.url+"/config", change)
	}
	call(t, http.MethodPost, old.url+"/validate", "")
	time.Sleep(2 * time.Second)
	status := call(t, http.MethodGet, old.url+"/status", "")
	old.stop()

	require.NoError(t, os.MkdirAll(golden(""), 0o755))
	for name, v := range map[string]any{"documents.json": documents(t), "status.json": json.RawMessage(status)} {
		data, err := json.MarshalIndent(v, "", "  ")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(golden(name), append(data, '\n'), 0o600))
	}
}

// This build reads every kind of document that the last release has written, and
// says of it what that release said: settings, events, history, what keys are good
// for, what Gemini reported. Serving, it writes no field that the release doesn't
// have.
func TestGoldenDatabase(t *testing.T) {
	if *update {
		makeGolden(t)
	}
	data, err := os.ReadFile(golden("documents.json"))
	require.NoError(t, err)
	var all []document
	require.NoError(t, json.Unmarshal(data, &all))
	status, err := os.ReadFile(golden("status.json"))
	require.NoError(t, err)

	w := newWorld(t, plausible)
	now := time.Now().UTC().Truncate(time.Millisecond)
	known := map[string]map[string]json.RawMessage{}
	for _, d := range all {
		if d.Name == "record-validation" {
			checkedNow(t, &d, now)
		}
		store(t, d)
		fields := map[string]json.RawMessage{}
		require.NoError(t, json.Unmarshal(d.Fields, &fields))
		known[d.Name] = fields
	}
	for _, name := range []string{"control", "project-project-1", "project-caller=anonymous", "record-events", "record-history", "record-policy", "record-validation"} {
		require.Contains(t, known, name)
	}
	var then struct {
		Events  []events.Event
		History []history.Entry
		Now     time.Time
	}
	require.NoError(t, json.Unmarshal(status, &then))
	require.NotEmpty(t, then.Events)
	require.NotEmpty(t, then.History)
	opened := gcpfirestore.New(emulatortest.Client(t), "fluxgate", storage.Options{})
	t.Cleanup(func() { _ = opened.Close(context.Background()) })
	lastEvents, err := events.NewLog(opened).Last(t.Context())
	require.NoError(t, err)
	require.Equal(t, then.Events, lastEvents)
	lastDays, err := history.NewKeeper(opened).Last(t.Context(), scheduler.At(then.Now))
	require.NoError(t, err)
	require.Equal(t, then.History, lastDays)

	this := w.start(t, buildThis(t))
	said := call(t, http.MethodGet, this.url+"/status", "")
	require.Equal(t, told(t, status), told(t, said))
	var checked struct{ Validation struct{ At time.Time } }
	require.NoError(t, json.Unmarshal(said, &checked))
	require.Equal(t, now, checked.Validation.At, "no key had to be checked again")
	for range 4 {
		call(t, http.MethodPost, this.url+"/generate", `{"prompt":"Hello"}`)
	}
	this.stop()
	for _, d := range documents(t) {
		if _, ok := known[d.Name]; !ok {
			continue
		}
		fields := map[string]json.RawMessage{}
		require.NoError(t, json.Unmarshal(d.Fields, &fields))
		for field := range fields {
			if field == "sections" {
				continue // where a build has what those before it can't read
			}
			require.Contains(t, known[d.Name], field, d.Name)
		}
	}
}
