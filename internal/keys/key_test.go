package keys

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/upstream"
)

func fromEnv(t *testing.T, configured ...config.KeyEntry) ([]Key, []Warning, error) {
	t.Helper()
	return FromEnv(configured).Load(t.Context())
}

func configured(index int, value, project string) config.KeyEntry {
	return config.KeyEntry{Index: index, Value: config.NewSecret(value), Project: project}
}

// The first 12 digits of SHA-256("a") and SHA-256("b"), by sha256sum.
const (
	printA = "ca978112ca1b"
	printB = "3e23e8160039"
)

func keyA(index int) Key {
	return Key{Index: index, Value: config.NewSecret("a"), Project: "key-" + printA, Provider: "gemini", Fingerprint: printA}
}

func keyB(index int) Key {
	return Key{Index: index, Value: config.NewSecret("b"), Project: "key-" + printB, Provider: "gemini", Fingerprint: printB}
}

func declared(k Key, project string) Key {
	k.Project, k.Declared = project, true
	return k
}

func of(provider string, k Key) Key {
	k.Provider = provider
	return k
}

func TestFromEnv(t *testing.T) {
	for _, tt := range []struct {
		name     string
		in       []config.KeyEntry
		want     []Key
		warnings []Warning
	}{
		{"none", nil, nil, nil},
		{"undeclared keys are projects of their own", []config.KeyEntry{configured(1, "a", ""), configured(2, "b", "")},
			[]Key{keyA(1), keyB(2)}, nil},
		{"a project without a key", []config.KeyEntry{configured(1, "", "search-prod"), configured(2, "b", "")},
			[]Key{{Index: 1, Value: config.NewSecret(upstream.WithoutKey("search-prod")), Project: "search-prod", Declared: true, Provider: "gemini",
				Fingerprint: fingerprintOf(config.NewSecret("oauth search-prod"))}, keyB(2)}, nil},
		{"declared keys share a project", []config.KeyEntry{configured(1, "a", "team"), configured(2, "b", "team")},
			[]Key{declared(keyA(1), "team"), declared(keyB(2), "team")}, nil},
		{"a duplicate goes and nobody is renumbered", []config.KeyEntry{configured(1, "a", ""), configured(2, "a", ""), configured(4, "b", "")},
			[]Key{keyA(1), keyB(4)}, []Warning{{slog.LevelWarn, "key 2 is the same as key 1: dropped"}}},
		{"a duplicate that agrees", []config.KeyEntry{configured(1, "a", "team"), configured(2, "a", "team")},
			[]Key{declared(keyA(1), "team")}, []Warning{{slog.LevelWarn, "key 2 is the same as key 1: dropped"}}},
		{"a duplicate that says nothing", []config.KeyEntry{configured(1, "a", "team"), configured(2, "a", "")},
			[]Key{declared(keyA(1), "team")}, []Warning{{slog.LevelWarn, "key 2 is the same as key 1: dropped"}}},
		// One of the two declarations is wrong, so quota is kept for the wrong project.
		{"a duplicate that disagrees", []config.KeyEntry{configured(1, "a", "team"), configured(2, "a", "other")},
			[]Key{declared(keyA(1), "team")}, []Warning{{slog.LevelError,
				"key 2 is the same as key 1 but declares another project: dropped, and what key 1 says counts"}}},
		{"a duplicate that knows more", []config.KeyEntry{configured(1, "a", ""), configured(2, "a", "team")},
			[]Key{keyA(1)}, []Warning{{slog.LevelError,
				"key 2 is the same as key 1 but declares another project: dropped, and what key 1 says counts"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, warnings, err := fromEnv(t, tt.in...)
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
			assert.Equal(t, tt.warnings, warnings)
		})
	}
}

func TestFromEnvRefuses(t *testing.T) {
	// Load of package config has checked all that; the simulator's keys and
	// those of tests come straight here.
	_, _, err := fromEnv(t, configured(1, "", ""), configured(2, "hunter2 x", ""), configured(3, "c", "hunter2/x"),
		configured(4, "hunter2", ""), configured(5, "e", "hunter2"), configured(6, "f", "key-1"))
	require.EqualError(t, err, "GEMINI_KEY_1: the key is empty: want its value\n"+
		"GEMINI_KEY_2: character 8 of the key is a blank: want one key on a line\n"+
		"GEMINI_KEY_3: character 8 of the project: want letters, digits, '-', '_', '.' and ':' only\n"+
		"GEMINI_KEY_6: the project begins with \"key-\", which is kept for keys that declare none: want another name\n"+
		"key 5 declares as its project the value of key 4: want a name that is no secret")
	var many []config.KeyEntry
	for n := range config.MaxKeys + 1 {
		many = append(many, configured(n+1, fmt.Sprint("k", n), ""))
	}
	_, _, err = fromEnv(t, many...)
	assert.EqualError(t, err, "1001 keys: want at most 1000")
}

func TestKeyNeverPrintsItsValue(t *testing.T) {
	list, _, err := fromEnv(t, configured(3, "hunter2", "team"))
	require.NoError(t, err)
	pool := NewPool(FromEnv([]config.KeyEntry{configured(3, "hunter2", "team")}), Options{Logger: slog.New(slog.DiscardHandler)})
	_, err = pool.Keys(t.Context())
	require.NoError(t, err)
	kept, err := pool.cache.Get(t.Context())
	require.NoError(t, err)
	require.Len(t, kept.keys, 1)
	type hidden struct{ k Key }
	type secretly struct{ keys []Key }
	for name, v := range map[string]any{
		"key": list[0], "pointer": &list[0], "list": list, "unexported": hidden{list[0]}, "unexported list": secretly{list},
		"map": map[Key]bool{list[0]: true}, "source": FromEnv([]config.KeyEntry{configured(3, "hunter2", "team")}),
		"list of a pool": kept, "parsed": entry{value: config.NewSecret("hunter2")},
	} {
		var text, js bytes.Buffer
		slog.New(slog.NewTextHandler(&text, nil)).Info("m", "v", v, "in", []any{v})
		slog.New(slog.NewJSONHandler(&js, nil)).Info("m", "v", v, "in", []any{v})
		asJSON, _ := json.Marshal(v) // a map with such keys has no JSON form
		for _, out := range []string{fmt.Sprintf("%v %+v %#v %s %q %x %d", v, v, v, v, v, v, v), string(asJSON), text.String(), js.String()} {
			assert.NotContains(t, out, "hunter2", name)
			assert.NotContains(t, out, "68756e74657232", name)
		}
	}
	// The check above would pass on empty output.
	assert.Equal(t, "key 3 (f52fbd32b2b3)", fmt.Sprintf("%v", list[0]))
	var js bytes.Buffer
	slog.New(slog.NewJSONHandler(&js, nil)).Info("m", "key", list[0])
	assert.Contains(t, js.String(), `"key":{"index":3,"fingerprint":"f52fbd32b2b3","project":"team"}`)
}

// A project is of the tier that one of its keys declares.
func TestTiers(t *testing.T) {
	entry := func(index int, value, project, tier string) config.KeyEntry {
		k := configured(index, value, project)
		k.Tier = tier
		return k
	}
	list, _, err := fromEnv(t, entry(1, "a", "p", ""), entry(2, "b", "p", "2"), entry(3, "c", "", "free"), entry(4, "d", "q", ""))
	require.NoError(t, err)
	tiers := []string{}
	for _, k := range list {
		tiers = append(tiers, k.Tier)
	}
	assert.Equal(t, []string{"2", "2", "free", ""}, tiers)
	_, _, err = fromEnv(t, entry(1, "a", "p", "1"), entry(2, "b", "p", "2"))
	assert.EqualError(t, err, "key 2 declares another usage tier of its project than key 1: want the same, or another project")
	_, _, err = fromEnv(t, entry(1, "a", "p", "hunter2"))
	assert.EqualError(t, err, "GEMINI_KEY_1: want the usage tier of the project: free, 1, 2 or 3")
}

// A project is billed to the account that one of its keys declares.
func TestBillingAccounts(t *testing.T) {
	entry := func(index int, value, project, billing string) config.KeyEntry {
		k := configured(index, value, project)
		k.Billing = billing
		return k
	}
	list, _, err := fromEnv(t, entry(1, "a", "p", ""), entry(2, "b", "p", "0X-1"), entry(3, "c", "q", "0X-1"), entry(4, "d", "", ""))
	require.NoError(t, err)
	billed := []string{}
	for _, k := range list {
		billed = append(billed, k.Billing)
	}
	assert.Equal(t, []string{"0X-1", "0X-1", "0X-1", ""}, billed)
	_, _, err = fromEnv(t, entry(1, "a", "p", "0X-1"), entry(2, "b", "p", "0X-2"), entry(3, "hunter2", "q", "x"), entry(4, "d", "r", "hunter2"), entry(5, "e", "s", "not an account"))
	assert.ErrorContains(t, err, "character 4 of the billing account")
	assert.NotContains(t, err.Error(), "hunter2")
	_, _, err = fromEnv(t, entry(1, "a", "p", "0X-1"), entry(2, "b", "p", "0X-2"), entry(3, "hunter2", "q", "x"), entry(4, "d", "r", "hunter2"))
	assert.ErrorContains(t, err, "key 2 declares another billing account of its project than key 1: want the same, or another project")
	assert.ErrorContains(t, err, "key 4 declares as its billing account the value of key 3")
}
