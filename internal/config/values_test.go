package config

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLimits(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"all three", `{"m":{"rpm":5,"tpm":250000,"rpd":100}}`, "m: rpm=5 tpm=250000 rpd=100"},
		{"omitted keeps", `{"m":{"tpm":7}}`, "m: tpm=7"},
		{"null keeps, as some JSON writers say it", `{"m":{"tpm":null,"rpm":1}}`, "m: rpm=1"},
		{"none and unlimited are different", `{"m":{"rpm":0,"tpm":-1}}`, "m: rpm=0 tpm=unlimited"},
		{"families", `{"pro":{"rpm":1},"flash":{"rpm":2},"flash_lite":{"rpm":3}}`, "flash: rpm=2; flash_lite: rpm=3; pro: rpm=1"},
		{"a family written like the models", `{"flash-lite":{"rpm":3}}`, "flash_lite: rpm=3"},
		{"the API's prefix", `{"models/m":{"rpm":3}}`, "m: rpm=3"},
		{"nothing", `{}`, ""},
		{"of single projects", `{"flash":{"rpm":2},"projects":{"paid":{"models/m":{"rpm":5},"flash-lite":{"rpd":-1}},"key-0a1b2c3d4e5f":{"flash":{"rpm":1}}}}`,
			"flash: rpm=2; key-0a1b2c3d4e5f/flash: rpm=1; paid/flash_lite: rpd=unlimited; paid/m: rpm=5"},
		{"as those are told", `{"paid/m":{"rpm":5}}`, "paid/m: rpm=5"},
		{"the most", `{"m":{"tpm":1000000000000}}`, "m: tpm=1000000000000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var m LimitsByModel
			require.NoError(t, m.EnvDecode(tt.text))
			assert.Equal(t, tt.want, m.String())
		})
	}
}

func TestLimitsRefused(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"negative", `{"m":{"rpm":-2}}`, "m: rpm is -2: of the negative numbers only -1"},
		{"fraction", `{"m":{"rpm":2.5}}`, "m: rpm is 2.5: want a whole number"},
		{"exponent, whose value is easily misread", `{"m":{"tpm":1e6}}`, "want a whole number"},
		{"string", `{"m":{"rpm":"5"}}`, `m: rpm is "5": want a whole number`},
		{"would overflow a sum", `{"m":{"tpm":1000000000001}}`, "want at most 1000000000000, or -1"},
		{"beyond int64", `{"m":{"tpm":99999999999999999999}}`, "want a whole number"},
		{"unknown field", `{"m":{"rpm":5,"RPD":3}}`, `m: unknown field "RPD"`},
		{"field twice, of which one would win", `{"m":{"rpm":5,"rpm":6}}`, "m: rpm is given twice"},
		{"model twice", `{"m":{"rpm":5},"models/m":{"rpm":6}}`, "m is named twice"},
		{"no object for a model", `{"m":5}`, "m: want an object"},
		{"no object for projects", `{"projects":5}`, "projects: want an object such as"},
		{"no object for a project", `{"projects":{"p":5}}`, "p: want a JSON object such as"},
		{"no limits of a project's", `{"projects":{"p":{"m":{"rpm":-2}}}}`, "p: m: rpm is -2"},
		{"no project", `{"projects":{"my project":{"m":{"rpm":2}}}}`, "projects: character 3 of the project"},
		{"a project's model twice", `{"p/m":{"rpm":1},"projects":{"p":{"m":{"rpm":2}}}}`, "p: m is named twice"},
		{"a name of neither", `{"/m":{"rpm":1}}`, "want letters, digits"},
		{"model without a name", `{"":{"rpm":5}}`, "a model has no name"},
		{"no object", `[]`, "it isn't an object"},
		{"not JSON", `gemini=5`, "want a JSON object such as"},
		{"cut off", `{"m":{"rpm":5}`, "it ends too early"},
		{"two objects", `{} {}`, "something follows the object"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := LimitsByModel{"kept": {}}
			require.ErrorContains(t, m.EnvDecode(tt.text), tt.want)
			assert.Contains(t, m, "kept", "a refused text changes nothing")
		})
	}
}

func TestBytes(t *testing.T) {
	for text, want := range map[string]Bytes{
		"0": 0, "33554432": 32 << 20, "32MiB": 32 << 20, "32 mib": 32 << 20, "1GiB": 1 << 30, "3KiB": 3 << 10,
		"2kB": 2000, "2MB": 2e6, "1gb": 1e9, "7B": 7,
	} {
		var b Bytes
		require.NoError(t, b.EnvDecode(text), text)
		assert.Equal(t, want, b, text)
		var again Bytes
		require.NoError(t, again.EnvDecode(b.String()))
		assert.Equal(t, b, again, "what String writes is read back")
	}
	for _, text := range []string{"", "MiB", "1.5MiB", "0x10", "-1", "1TiB", "1 2"} {
		var b Bytes
		assert.Error(t, b.EnvDecode(text), text)
	}
}

func TestSecretNames(t *testing.T) {
	for _, tt := range []struct {
		list, project string
		want          []string
	}{
		{"", "", nil},
		{"S", "p", []string{"projects/p/secrets/S/versions/latest"}},
		{"projects/123/secrets/S", "", []string{"projects/123/secrets/S/versions/latest"}},
		{"projects/q/secrets/S/versions/7", "p", []string{"projects/q/secrets/S/versions/7"}},
		{"projects/q/secrets/S/versions/prod", "", []string{"projects/q/secrets/S/versions/prod"}}, // an alias
		{" B , A ,", "p", []string{"projects/p/secrets/B/versions/latest", "projects/p/secrets/A/versions/latest"}},
	} {
		got, err := SecretNames(tt.list, tt.project)
		require.NoError(t, err, tt.list)
		assert.Equal(t, tt.want, got, tt.list)
	}
	for list, want := range map[string]string{
		"S,projects/p/secrets/S/versions/latest":                            "named twice",
		"projects/p/locations/europe-west1/secrets/S":                       "regional secrets",
		"projects/p/secrets/":                                               "want projects/P/secrets/S",
		"projects/p/secrets/S/versions/":                                    "want projects/P/secrets/S",
		"AQ.hunter2":                                                        "want projects/P/secrets/S",
		"AIza" + "hunter2hunter2hunter2hunter2hunter2":                      "looks like a key",
		"secret manager":                                                    "want projects/P/secrets/S",
		"//secretmanager.googleapis.com/projects/p/secrets/S":               "want projects/P/secrets/S",
		"a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,0,1,2,3,4,5,6": "33 secrets: want at most 32",
	} {
		_, err := SecretNames(list, "p")
		require.ErrorContains(t, err, want, list)
		assert.NotContains(t, err.Error(), "hunter2", "somebody may have put a key there")
	}
}
