package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestKeysFromEnvironment(t *testing.T) {
	type found struct {
		Index          int
		Value, Project string
	}
	for _, tt := range []struct {
		name     string
		environ  []string
		want     []found
		warnings []string
	}{
		{"none", nil, nil, nil},
		{"in numeric order, not as text", []string{"GEMINI_KEY_10=j", "GEMINI_KEY_2=b", "GEMINI_KEY_1=a", "GEMINI_KEY_3=c",
			"GEMINI_KEY_4=d", "GEMINI_KEY_5=e", "GEMINI_KEY_6=f", "GEMINI_KEY_7=g", "GEMINI_KEY_8=h", "GEMINI_KEY_9=i"},
			[]found{{1, "a", ""}, {2, "b", ""}, {3, "c", ""}, {4, "d", ""}, {5, "e", ""}, {6, "f", ""}, {7, "g", ""}, {8, "h", ""}, {9, "i", ""}, {10, "j", ""}}, nil},
		{"projects", []string{"GEMINI_KEY_1=a", "GEMINI_PROJECT_1= team-1 ", "GEMINI_KEY_2=b", "GEMINI_PROJECT_2="},
			[]found{{1, "a", "team-1"}, {2, "b", ""}}, nil},
		{"a copied key brings blanks, a shell script quotes", []string{"GEMINI_KEY_1=  a\r\n", `GEMINI_KEY_2="b"`, "GEMINI_KEY_3=' c '"},
			[]found{{1, "a", ""}, {2, "b", ""}, {3, "c", ""}}, nil},
		{"the number stays the ID when a key before it goes", []string{"GEMINI_KEY_1=a", "GEMINI_KEY_2=", "GEMINI_KEY_4=d"},
			[]found{{1, "a", ""}, {4, "d", ""}},
			[]string{"not set or empty: GEMINI_KEY_2, GEMINI_KEY_3 (the keys after it keep their numbers)"}},
		{"a large gap is told in one line", []string{"GEMINI_KEY_2000=x"}, []found{{2000, "x", ""}},
			[]string{"not set or empty: GEMINI_KEY_1 to GEMINI_KEY_1999 (the keys after it keep their numbers)"}},
		{"Google's own variable", []string{"GEMINI_API_KEY=a", "GEMINI_PROJECT_1=p"}, []found{{1, "a", "p"}}, nil},
		{"several keys in one variable", []string{"GEMINI_KEY_1=a,b, c", "GEMINI_PROJECT_1="}, []found{{1, "a", ""}, {2, "b", ""}, {3, "c", ""}},
			[]string{"GEMINI_KEY_1 holds 3 keys, which are keys 1 to 3: leaving one out renumbers those after it"}},
		{"several keys and as many projects", []string{"GEMINI_KEY_3=a;b", "GEMINI_PROJECT_3=p", "GEMINI_PROJECT_4=q"}, []found{{3, "a", "p"}, {4, "b", "q"}},
			[]string{"GEMINI_KEY_3 holds 2 keys, which are keys 3 to 4: leaving one out renumbers those after it",
				"not set or empty: GEMINI_KEY_1, GEMINI_KEY_2 (the keys after it keep their numbers)"}},
		{"a key and a comma", []string{"GEMINI_KEY_1=a,"}, []found{{1, "a", ""}}, nil},
		{"Google's own variable, several keys", []string{"GEMINI_API_KEY=a b"}, []found{{1, "a", ""}, {2, "b", ""}},
			[]string{"GEMINI_API_KEY is used as keys 1 to 2: leaving one out renumbers those after it"}},
		{"the variable for several", []string{"GEMINI_API_KEYS=a,b", "GEMINI_PROJECT_2=p"}, []found{{1, "a", ""}, {2, "b", "p"}},
			[]string{"GEMINI_API_KEYS is used as keys 1 to 2: leaving one out renumbers those after it"}},
		{"on lines, in quotes", []string{"GEMINI_KEYS=\"a\",\n\"b\"\r\n"}, []found{{1, "a", ""}, {2, "b", ""}},
			[]string{"GEMINI_KEYS is used as keys 1 to 2: leaving one out renumbers those after it"}},
		{"as JSON", []string{`GEMINI_API_KEYS=["a", "b"]`}, []found{{1, "a", ""}, {2, "b", ""}},
			[]string{"GEMINI_API_KEYS is used as keys 1 to 2: leaving one out renumbers those after it"}},
		{"what Google's clients read first", []string{"GOOGLE_API_KEY=a"}, []found{{1, "a", ""}},
			[]string{"GOOGLE_API_KEY is used as key 1: name it GEMINI_KEY_1"}},
		{"what may be another service's, beside the Gemini key", []string{"GOOGLE_API_KEY=z", "GEMINI_API_KEY=a"}, []found{{1, "a", ""}}, nil},
		{"what may be another service's, beside numbered keys", []string{"GOOGLE_API_KEY=z", "GEMINI_KEY_1=a"}, []found{{1, "a", ""}}, nil},
		{"what may be another service's, beside secrets", []string{"GOOGLE_API_KEY=z", "FLUXGATE_KEYS_SECRET=S", "GOOGLE_CLOUD_PROJECT=p"}, nil, nil},
		{"nearly right beside what is", []string{"GEMINI_KEY_1=a", "GEMINI_API_KEY_2=z", "GEMINI_PROJECT1=p", "GOOGLE_PROJECT=x", "GEMINI_KEY2="}, []found{{1, "a", ""}},
			[]string{`"GEMINI_API_KEY_2" is not read: did you mean GEMINI_KEY_2?`, `"GEMINI_PROJECT1" is not read: did you mean GEMINI_PROJECT_1?`}},
		{"Google's own variable beside ours", []string{"GEMINI_API_KEY=z", "GEMINI_KEY_1=a"}, []found{{1, "a", ""}},
			[]string{"GEMINI_API_KEY is ignored because GEMINI_KEY_N is set"}},
		{"secrets go first", []string{"FLUXGATE_KEYS_SECRET=S", "GOOGLE_CLOUD_PROJECT=p", "GEMINI_KEY_1=a"}, nil,
			[]string{"the keys of the environment are ignored because FLUXGATE_KEYS_SECRET is set"}},
		{"empty but malformed names are nobody's business", []string{"GEMINI_KEY_0=", "GEMINI_KEY_X="}, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := load(t, tt.environ...)
			require.NoError(t, err)
			var got []found
			for _, k := range c.Keys {
				got = append(got, found{k.Index, k.Value.Reveal(), k.Project})
			}
			assert.Equal(t, tt.want, got)
			assert.Equal(t, tt.warnings, c.Warnings)
		})
	}
}

func TestKeysRefused(t *testing.T) {
	for _, tt := range []struct {
		name    string
		environ []string
		want    string
	}{
		{"several keys in one of several variables", []string{"GEMINI_KEY_1=hunter2 hunter3", "GEMINI_KEY_2=hunter4"},
			"GEMINI_KEY_1: it holds 2 keys, and others are numbered: want one key in each, or all of them in GEMINI_API_KEYS"},
		{"several keys and one project", []string{"GEMINI_KEY_1=hunter2,hunter3", "GEMINI_PROJECT_1=p"},
			"GEMINI_KEY_1: it holds 2 keys, of which not all have a project"},
		{"a list of Google's own variable with a project", []string{"GEMINI_API_KEYS=hunter2,hunter3", "GEMINI_PROJECT_3=p"}, "GEMINI_PROJECT_3: there is no GEMINI_KEY_3"},
		{"list of no-break spaces", []string{"GEMINI_API_KEYS=hunter2\u00a0x,hunter3"}, "GEMINI_API_KEYS (key 1): character 8 of the key is a blank"},
		{"escape in the second of several", []string{"GEMINI_KEY_4=hunter2 hunter3\x1b"}, "GEMINI_KEY_4 (key 2): character 8 of the key is a control character"},
		{"no underscore", []string{"GEMINI_KEY1=hunter2"}, `"GEMINI_KEY1" is not read: want GEMINI_KEY_1`},
		{"no underscore, second", []string{"GEMINI_KEY2=hunter2"}, `"GEMINI_KEY2" is not read: want GEMINI_KEY_2`},
		{"no number", []string{"GEMINI_KEY=hunter2"}, `"GEMINI_KEY" is not read: want GEMINI_KEY_1`},
		{"Google's variable, numbered", []string{"GEMINI_API_KEY_1=hunter2"}, `"GEMINI_API_KEY_1" is not read: want GEMINI_KEY_1`},
		{"Google's variable, numbered at once", []string{"GEMINI_API_KEY12=hunter2"}, `"GEMINI_API_KEY12" is not read: want GEMINI_KEY_12`},
		{"Google's older variable, numbered", []string{"GOOGLE_API_KEY_02=hunter2"}, `"GOOGLE_API_KEY_02" is not read: want GEMINI_KEY_2`},
		{"Google's older variable, several", []string{"GOOGLE_API_KEYS=hunter2"}, `"GOOGLE_API_KEYS" is not read: want GEMINI_API_KEYS`},
		{"another order", []string{"GOOGLE_GEMINI_API_KEY=hunter2"}, `"GOOGLE_GEMINI_API_KEY" is not read: want GEMINI_KEY_1`},
		{"small letters", []string{"gemini_api_key=hunter2"}, `"gemini_api_key" is not read: want GEMINI_KEY_1`},
		{"no-break space of a web page", []string{"GEMINI_KEY_1=hunter2\u00a0x"}, "GEMINI_KEY_1: character 8 of the key is a blank"},
		{"zero-width space of a chat", []string{"GEMINI_KEY_1=hunter2\u200bx"}, "GEMINI_KEY_1: character 8 of the key is outside ASCII"},
		{"escape of a terminal", []string{"GEMINI_KEY_1=hunter2\x1bx"}, "GEMINI_KEY_1: character 8 of the key is a control character"},
		{"not text", []string{"GEMINI_KEY_1=hunter2\xff"}, "GEMINI_KEY_1: character 8 of the key isn't valid UTF-8"},
		{"a whole file", []string{"GEMINI_KEY_1=" + strings.Repeat("hunter2", 700)}, "the key has 4900 characters: want at most 4096"},
		{"project without a key", []string{"GEMINI_PROJECT_3=p"}, "GEMINI_PROJECT_3: there is no GEMINI_KEY_3"},
		{"project without a key, for another endpoint", []string{"GEMINI_PROJECT_3=search-prod", "GOOGLE_GEMINI_BASE_URL=https://gemini.test"}, "GEMINI_PROJECT_3: there is no GEMINI_KEY_3, and without a key nothing goes to another endpoint"},
		{"billing account without a key", []string{"GEMINI_BILLING_3=p"}, "GEMINI_BILLING_3: there is no GEMINI_KEY_3"},
		{"a key as a billing account", []string{"GEMINI_KEY_1=hunter2", "GEMINI_BILLING_1=hunter2"}, "GEMINI_BILLING_1: it holds the key of GEMINI_KEY_1"},
		{"a billing account with blanks", []string{"GEMINI_KEY_1=a", "GEMINI_BILLING_1=my account"}, "GEMINI_BILLING_1: character 3 of the billing account"},
		{"project of a blank key", []string{"GEMINI_PROJECT_1=p", "GEMINI_KEY_1= "}, "GEMINI_PROJECT_1: there is no GEMINI_KEY_1"},
		{"project that can't be a document", []string{"GEMINI_KEY_1=a", "GEMINI_PROJECT_1=hunter2/x"}, "GEMINI_PROJECT_1: character 8 of the project"},
		{"project named like an undeclared one", []string{"GEMINI_KEY_1=a", "GEMINI_PROJECT_1=key-hunter2"}, `GEMINI_PROJECT_1: the project begins with "key-"`},
		{"key in the place of the project", []string{"GEMINI_KEY_1=hunter2", "GEMINI_PROJECT_1=hunter2"}, "GEMINI_PROJECT_1: it holds the key of GEMINI_KEY_1"},
		{"numbered from 0", []string{"GEMINI_KEY_0=hunter2"}, `"GEMINI_KEY_0": want GEMINI_KEY_ and a number from 1`},
		{"leading zero, perhaps beside GEMINI_KEY_1", []string{"GEMINI_KEY_01=hunter2"}, "without leading zeros"},
		{"not a number", []string{"GEMINI_PROJECT_A=hunter2"}, `"GEMINI_PROJECT_A": want GEMINI_PROJECT_ and a number`},
		{"no bound on the number", []string{"GEMINI_KEY_99999999999999999999=hunter2"}, "and a number from 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, tt.environ...)
			require.ErrorContains(t, err, tt.want)
			assert.NotContains(t, err.Error(), "hunter")
			assert.NotContains(t, err.Error(), "\n", "one mistake, one line")
		})
	}
}

func TestTooManyKeys(t *testing.T) {
	var environ []string
	for n := range MaxKeys + 1 {
		environ = append(environ, fmt.Sprintf("GEMINI_KEY_%d=k%d", n+1, n))
	}
	_, err := load(t, environ...)
	require.ErrorContains(t, err, "1001 keys: want at most 1000")
	_, err = load(t, environ[:MaxKeys]...)
	assert.NoError(t, err)
}

func TestCheckProject(t *testing.T) {
	for _, ok := range []string{"p", "my-project", "example.com:p_1", "..a", "__a", "Key-1", strings.Repeat("p", 128)} {
		assert.NoError(t, CheckProject(ok), ok)
	}
	// The last five are what Firestore refuses as a document ID, or what would
	// name another document.
	for _, bad := range []string{"", "key-1", strings.Repeat("p", 129), "a b", "ä", ".", "..", "__a__", "a/b", "/"} {
		assert.Error(t, CheckProject(bad), bad)
	}
}

// A key that is refused or ignored for its name is a secret all the same.
func TestWithoutKeysOfOtherNames(t *testing.T) {
	in := []string{"GEMINI_API_KEYS=a", "GEMINI_KEYS=b", "GEMINI_KEY1=c", "GEMINI_API_KEY_1=d", "GOOGLE_API_KEY_2=e", "gemini_key=f", "GEMINI_LOG=true", "GOOGLE_CLOUD_PROJECT=p"}
	assert.Equal(t, []string{"GEMINI_LOG=true", "GOOGLE_CLOUD_PROJECT=p"}, WithoutKeys(in))
}

func TestWithoutKeys(t *testing.T) {
	in := []string{"PATH=/bin", "GEMINI_KEY_1=a", "GEMINI_API_KEY=b", "GOOGLE_API_KEY=c", "FLUXGATE_TOKENS=d", "FLUXGATE_ADMIN_TOKENS=e", "GEMINI_MODE=both",
		"OTEL_EXPORTER_OTLP_HEADERS=f", "OTEL_EXPORTER_OTLP_TRACES_HEADERS=g", "OTEL_EXPORTER_OTLP_ENDPOINT=h"}
	assert.Equal(t, []string{"PATH=/bin", "GEMINI_MODE=both", "OTEL_EXPORTER_OTLP_ENDPOINT=h"}, WithoutKeys(in))
	assert.Equal(t, "GEMINI_KEY_1=a", in[1], "the caller's list is left alone")
}

// A project that has no key is called by the program's own identity; one whose key is
// there but empty has lost it.
func TestProjectsWithoutKeys(t *testing.T) {
	c, err := load(t, "GEMINI_PROJECT_1=search-prod", "GEMINI_KEY_2=a", "GEMINI_PROJECT_2=team", "GEMINI_PROJECT_3=example.com:translate", "GEMINI_BILLING_3=acme")
	require.NoError(t, err)
	assert.Equal(t, []KeyEntry{
		{Index: 1, Project: "search-prod"}, {Index: 2, Value: NewSecret("a"), Project: "team"}, {Index: 3, Project: "example.com:translate", Billing: "acme"},
	}, c.Keys)
	assert.Len(t, c.Warnings, 2, "it has to be meant")
	assert.Contains(t, c.Warnings[0], "GEMINI_PROJECT_1 has no GEMINI_KEY_1")
	// With secrets the environment's are ignored, as its keys are.
	c, err = load(t, "GEMINI_KEY_2=a", "GEMINI_PROJECT_2=team", "FLUXGATE_KEYS_SECRET=projects/p/secrets/s")
	require.NoError(t, err)
	assert.Empty(t, c.Keys)
}

func TestTierOfAKey(t *testing.T) {
	c, err := load(t, "GEMINI_KEY_1=a", "GEMINI_TIER_1=1", "GEMINI_KEY_2=b", "GEMINI_TIER_2=free", "GEMINI_KEY_3=c", "GEMINI_TIER_3=")
	require.NoError(t, err)
	assert.Equal(t, []string{"1", "free", ""}, []string{c.Keys[0].Tier, c.Keys[1].Tier, c.Keys[2].Tier})
	assert.Empty(t, c.Warnings)
	_, err = load(t, "GEMINI_KEY_1=a", "GEMINI_TIER_1=paid", "GEMINI_TIER_2=1", "GEMINI_TIER_x=1", "FLUXGATE_PREFER=cheap")
	assert.ErrorContains(t, err, "GEMINI_TIER_1: want the usage tier of the project: free, 1, 2 or 3")
	assert.ErrorContains(t, err, "GEMINI_TIER_2: there is no GEMINI_KEY_2")
	assert.ErrorContains(t, err, `"GEMINI_TIER_x": want GEMINI_TIER_ and a number from 1`)
	assert.ErrorContains(t, err, `FLUXGATE_PREFER: "cheap": want free, paid or any`)
}
