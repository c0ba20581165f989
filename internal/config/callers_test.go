package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/config/origins"
)

// Tokens of 16 characters, the least that is allowed.
const (
	tokenA = "hunter2-aaaaaaaa"
	tokenB = "hunter2-bbbbbbbb"
	tokenC = "hunter2-cccccccc"
)

func TestTokens(t *testing.T) {
	type found struct{ name, token, where string }
	for _, tt := range []struct {
		name     string
		environ  []string
		want     []found
		admins   []found
		warnings []string
	}{
		{name: "none"},
		{name: "commas, line breaks and blanks",
			environ: []string{"FLUXGATE_TOKENS=a:" + tokenA + ", b : " + tokenB + ",\r\n,\nc-1_x:" + tokenC + "\n"},
			want:    []found{{"a", tokenA, "FLUXGATE_TOKENS: entry 1"}, {"b", tokenB, "FLUXGATE_TOKENS: entry 2"}, {"c-1_x", tokenC, "FLUXGATE_TOKENS: entry 3"}}},
		{name: "two tokens of one caller, while one is rotated", environ: []string{"FLUXGATE_TOKENS=a:" + tokenA + ",a:" + tokenB},
			want: []found{{"a", tokenA, "FLUXGATE_TOKENS: entry 1"}, {"a", tokenB, "FLUXGATE_TOKENS: entry 2"}}},
		{name: "a token may hold colons and what base64 has", environ: []string{"FLUXGATE_TOKENS=a:abc:def+/==012345"},
			want: []found{{"a", "abc:def+/==012345", "FLUXGATE_TOKENS: entry 1"}}},
		{name: "an administrator may be a caller too, with another token",
			environ: []string{"FLUXGATE_TOKENS=a:" + tokenA, "FLUXGATE_ADMIN_TOKENS=a:" + tokenB},
			want:    []found{{"a", tokenA, "FLUXGATE_TOKENS: entry 1"}}, admins: []found{{"a", tokenB, "FLUXGATE_ADMIN_TOKENS: entry 1"}}},
		{name: "secrets go first, each before its own variable",
			environ:  []string{"FLUXGATE_TOKENS=a:" + tokenA, "FLUXGATE_ADMIN_TOKENS=b:" + tokenB, "FLUXGATE_TOKENS_SECRET=projects/p/secrets/S"},
			admins:   []found{{"b", tokenB, "FLUXGATE_ADMIN_TOKENS: entry 1"}},
			warnings: []string{"FLUXGATE_TOKENS is ignored because FLUXGATE_TOKENS_SECRET is set"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := load(t, tt.environ...)
			require.NoError(t, err)
			revealed := func(list TokenList) (all []found) {
				for _, e := range list {
					all = append(all, found{e.Name, e.Token.Reveal(), e.Where})
				}
				return all
			}
			assert.Equal(t, tt.want, revealed(c.Tokens))
			assert.Equal(t, tt.admins, revealed(c.AdminTokens))
			assert.Equal(t, tt.warnings, c.Warnings)
		})
	}
}

func TestTokensRefused(t *testing.T) {
	for _, tt := range []struct {
		name    string
		environ []string
		want    string
	}{
		{"a token alone", []string{"FLUXGATE_TOKENS=" + tokenA}, "FLUXGATE_TOKENS: entry 1: want name:token"},
		{"a token with a comma ends there", []string{"FLUXGATE_TOKENS=a:" + tokenA + ",hunter2"}, "FLUXGATE_TOKENS: entry 2: want name:token"},
		{"nothing but commas", []string{"FLUXGATE_TOKENS=,"}, "FLUXGATE_TOKENS: it holds no token"},
		{"no name", []string{"FLUXGATE_TOKENS=:" + tokenA}, "FLUXGATE_TOKENS: entry 1: its name: want 1 to 32"},
		{"name and token in the wrong order", []string{"FLUXGATE_TOKENS=HUNTER2.aaaaaaaa:0123456789abcdef"}, "FLUXGATE_TOKENS: entry 1: its name: want"},
		{"upper case, so that two names never differ by case only", []string{"FLUXGATE_TOKENS=A:" + tokenA}, "entry 1: its name"},
		{"hyphen first", []string{"FLUXGATE_TOKENS=-a:" + tokenA}, "entry 1: its name"},
		{"long name", []string{"FLUXGATE_TOKENS=" + strings.Repeat("a", 33) + ":" + tokenA}, "entry 1: its name"},
		{"name of those without a token", []string{"FLUXGATE_TOKENS=iam:" + tokenA}, `entry 1: the name "iam" is kept`},
		{"name of those who need none", []string{"FLUXGATE_ADMIN_TOKENS=anonymous:" + tokenA}, `FLUXGATE_ADMIN_TOKENS: entry 1: the name "anonymous" is kept`},
		{"no token", []string{"FLUXGATE_TOKENS=a:"}, "entry 1: its token has 0 characters: want 16 to 1024"},
		{"short token", []string{"FLUXGATE_TOKENS=a:hunter2-aaaaaaa"}, "entry 1: its token has 15 characters: want 16 to 1024"},
		{"long token", []string{"FLUXGATE_TOKENS=a:" + strings.Repeat("x", 1025)}, "entry 1: its token has 1025 characters"},
		{"a blank in the token", []string{"FLUXGATE_TOKENS=a:hunter2 aaaaaaaaaa"}, "entry 1: its token: want visible ASCII"},
		{"not ASCII, which headers mangle", []string{"FLUXGATE_TOKENS=a:hunter2-äaaaaaaaaa"}, "entry 1: its token: want visible ASCII"},
		{"a token of two callers", []string{"FLUXGATE_TOKENS=a:" + tokenA + ",b:" + tokenA}, "FLUXGATE_TOKENS: entry 2: its token is that of entry 1"},
		{"the same entry twice", []string{"FLUXGATE_TOKENS=a:" + tokenA + ",a:" + tokenA}, "FLUXGATE_TOKENS: entry 2: its token is that of entry 1"},
		{"a caller's token that is an administrator's", []string{"FLUXGATE_TOKENS=a:" + tokenA, "FLUXGATE_ADMIN_TOKENS=a:" + tokenA},
			"FLUXGATE_ADMIN_TOKENS: entry 1: its token is that of FLUXGATE_TOKENS: entry 1"},
		{"a token in the place of a name", []string{"FLUXGATE_TOKENS=a:" + tokenA + "," + tokenA + ":" + tokenB}, "FLUXGATE_TOKENS: entry 2: its name is the token of entry 1"},
		{"a key for a token", []string{"FLUXGATE_TOKENS=a:" + tokenA, "GEMINI_KEY_2=" + tokenA}, "FLUXGATE_TOKENS: entry 1: its token is the key of GEMINI_KEY_2"},
		{"tokens in the place of their secret", []string{"FLUXGATE_TOKENS_SECRET=a:" + tokenA}, "FLUXGATE_TOKENS_SECRET: want projects/P/secrets/S"},
		{"a secret without its project", []string{"FLUXGATE_ADMIN_TOKENS_SECRET=S"}, "FLUXGATE_ADMIN_TOKENS_SECRET: a secret without its project"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, tt.environ...)
			require.ErrorContains(t, err, tt.want)
			assert.NotContains(t, strings.ToLower(err.Error()), "hunter2")
			assert.NotContains(t, err.Error(), "\n", "one mistake, one line")
		})
	}
	var many []string
	for n := range MaxTokens + 1 {
		many = append(many, fmt.Sprintf("a:%016d", n))
	}
	_, err := load(t, "FLUXGATE_TOKENS="+strings.Join(many, ","))
	assert.EqualError(t, err, "FLUXGATE_TOKENS: 1001 tokens: want at most 1000")
	_, err = load(t, "FLUXGATE_TOKENS="+strings.Join(many[:MaxTokens], ","))
	assert.NoError(t, err)
}

func TestEveryWrongTokenIsNamed(t *testing.T) {
	_, err := load(t, "FLUXGATE_TOKENS=x,A:short,b:"+tokenA+",c:"+tokenA, "FLUXGATE_ADMIN_TOKENS=d", "FLUXGATE_AUTH=IAM",
		`FLUXGATE_CALLERS={"A b":{},"b":{"rpn":1},"c":{"weight":0},"d":{"weight":1001}}`, "FLUXGATE_CORS=http://a,b")
	require.Error(t, err)
	assert.ElementsMatch(t, []string{
		"FLUXGATE_TOKENS: entry 1: want name:token",
		"FLUXGATE_TOKENS: entry 2: its name: want 1 to 32 lower case letters, digits, '-' and '_', a letter or digit first",
		"FLUXGATE_TOKENS: entry 2: its token has 5 characters: want 16 to 1024",
		"FLUXGATE_TOKENS: entry 4: its token is that of entry 3: want one of its own",
		"FLUXGATE_ADMIN_TOKENS: entry 1: want name:token",
		`FLUXGATE_AUTH: "IAM": want iam, or nothing`,
		"FLUXGATE_CALLERS: a name is neither that of a caller (1 to 32 lower case letters, digits, '-' and '_') nor an email address: want either",
		`FLUXGATE_CALLERS: b: unknown field "rpn" (there are rpm, tpm, rpd, weight, tokens_per_day, tokens_per_month, dollars_per_day and dollars_per_month)`,
		"FLUXGATE_CALLERS: c: weight is 0: want 1 to 1000",
		"FLUXGATE_CALLERS: d: weight is 1001: want 1 to 1000",
		`FLUXGATE_CORS: "http://a": want https, or http on a loopback host`,
		"FLUXGATE_CORS: want origins such as https://app.example, comma separated",
	}, strings.Split(err.Error(), "\n"))
}

func TestCallersWithoutEffectArePointedOut(t *testing.T) {
	const missing = `FLUXGATE_CALLERS limits %q, but no caller has that name: want one of FLUXGATE_TOKENS`
	for _, tt := range []struct {
		name    string
		environ []string
		want    []string
	}{
		{"a typo would leave the caller without limits", []string{"FLUXGATE_TOKENS=alice:" + tokenA, `FLUXGATE_CALLERS={"alise":{"rpm":1},"alice":{}}`},
			[]string{fmt.Sprintf(missing, "alise")}},
		{"an administrator", []string{"FLUXGATE_ADMIN_TOKENS=root:" + tokenA, `FLUXGATE_CALLERS={"root":{"rpm":1}}`}, nil},
		{"names in a secret aren't known yet", []string{"FLUXGATE_TOKENS_SECRET=projects/p/secrets/S", `FLUXGATE_CALLERS={"x":{"rpm":1}}`}, nil},
		{"everybody, while it is open", []string{`FLUXGATE_CALLERS={"anonymous":{"rpm":1}}`}, nil},
		{"nobody is anonymous with tokens", []string{"FLUXGATE_TOKENS=alice:" + tokenA, `FLUXGATE_CALLERS={"anonymous":{"rpm":1}}`},
			[]string{fmt.Sprintf(missing, "anonymous")}},
		{"email addresses with IAM", []string{"K_SERVICE=gate", "FLUXGATE_AUTH=iam", `FLUXGATE_CALLERS={"a@example.com":{"rpm":1},"iam":{"rpm":1}}`}, nil},
		{"email addresses without IAM", []string{"K_SERVICE=gate", `FLUXGATE_CALLERS={"a@example.com":{"rpm":1}}`},
			[]string{fmt.Sprintf(missing, "a@example.com")}},
		{"IAM where there is none", []string{"FLUXGATE_AUTH=iam"}, []string{"FLUXGATE_AUTH=iam is ignored outside Cloud Run: no IAM guards it here"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := load(t, tt.environ...)
			require.NoError(t, err)
			assert.Equal(t, tt.want, c.Warnings)
		})
	}
}

func TestCallerEmail(t *testing.T) {
	for in, want := range map[string]string{
		"Alice@Example.com":                 "alice@example.com",
		"gate@p-1.iam.gserviceaccount.com":  "gate@p-1.iam.gserviceaccount.com",
		"a.b+c_d%e-f@x":                     "a.b+c_d%e-f@x",
		strings.Repeat("a", 64) + "@b.test": strings.Repeat("a", 64) + "@b.test",
	} {
		got, ok := CallerEmail(in)
		assert.True(t, ok, in)
		assert.Equal(t, want, got)
	}
	// Line breaks would forge lines of a log, slashes would name another document.
	for _, bad := range []string{"", "alice", "@", "a@", "@b", "a@b@c", "a/b@c", "a@b/c", "a@b\n", "a b@c", "ä@b.c", "a@-b", "a@b.",
		strings.Repeat("a", 65) + "@b", "a@" + strings.Repeat("b", 191)} {
		_, ok := CallerEmail(bad)
		assert.False(t, ok, bad)
	}
}

func TestOrigins(t *testing.T) {
	token := "FLUXGATE_TOKENS=a:" + tokenA
	for _, ok := range []string{"https://app.example", "https://app.example:8443,http://localhost:3000", "http://127.0.0.1", "http://[::1]:5173", "*",
		"https://xn--bcher-kva.example", " https://a.example , "} {
		_, err := load(t, "FLUXGATE_CORS="+ok, token)
		assert.NoError(t, err, ok)
	}
	for bad, want := range map[string]string{
		"app.example":                     "want origins such as",
		"null":                            "want origins such as", // of sandboxed pages, which anybody can make
		"https://u:hunter2@app.example":   "want origins such as",
		"http://app.example":              "want https, or http on a loopback host",
		"chrome-extension://abc":          "want https, or http on a loopback host",
		"https://app.example/":            "with nothing after it",
		"https://app.example/x":           "with nothing after it",
		"https://app.example?x":           "with nothing after it",
		"HTTPS://app.example":             "with nothing after it",
		"https://App.example":             "lower case ASCII",
		"https://bücher.example":          "lower case ASCII",
		"https://app.example:443":         "without the port that goes without saying",
		"http://localhost:80":             "without the port that goes without saying",
		"https://app.example:":            "without the port that goes without saying",
		"https://*.example":               "want every origin named in full",
		"https://a.example,*":             "want it alone",
		"https://a.test,https://a.test":   "https://a.test is named twice",
		"https://a.test https://b.test":   "want origins such as",
		"https://app.example\x7f":         "want origins such as",
		"http://localhost.example.com:80": "want https, or http on a loopback host",
	} {
		_, err := load(t, "FLUXGATE_CORS="+bad, token)
		require.ErrorContains(t, err, want, bad)
		assert.NotContains(t, err.Error(), "hunter2")
	}
	// An open gate on a developer's machine must not be open to the web too.
	_, err := load(t, "FLUXGATE_CORS=*")
	assert.ErrorContains(t, err, `FLUXGATE_CORS: "*" needs FLUXGATE_TOKENS`)
	_, err = load(t, "FLUXGATE_CORS=*", "FLUXGATE_AUTH=iam", "K_SERVICE=gate")
	assert.NoError(t, err)
	_, err = load(t, "FLUXGATE_CORS=*", "FLUXGATE_AUTH=iam")
	assert.ErrorContains(t, err, "needs FLUXGATE_TOKENS", "there is no IAM outside Cloud Run")
}

func TestHosts(t *testing.T) {
	cfg, err := load(t, "FLUXGATE_HOSTS=Box.example, nas ,")
	require.NoError(t, err)
	assert.Equal(t, origins.Hosts{"box.example", "nas"}, cfg.Hosts)
	for _, bad := range []string{"http://box.example", "box.example:8080", "*.example", "nas,NAS"} {
		_, err := load(t, "FLUXGATE_HOSTS="+bad)
		assert.ErrorContains(t, err, "FLUXGATE_HOSTS", bad)
	}
}

func TestBudgets(t *testing.T) {
	c, err := load(t, `FLUXGATE_CALLERS={"alice":{"rpm":5,"tokens_per_day":1000,"tokens_per_month":-1,"dollars_per_day":0.25,"dollars_per_month":null,"weight":2},"bob":{"dollars_per_month":0}}`)
	require.NoError(t, err)
	assert.Equal(t, "alice: rpm=5 tokens_per_day=1000 dollars_per_day=0.25 weight=2; bob: dollars_per_month=0", c.Callers.String())
	alice := c.Callers["alice"].Budget
	assert.EqualValues(t, 250_000_000_000, *alice.DollarsPerDay)
	assert.Nil(t, alice.TokensPerMonth)
	for text, want := range map[string]string{
		`{"alice":{"dollars_per_day":"5"}}`:                   `alice: dollars_per_day is "5": want dollars, 0 to 1000000, or -1 for no limit`,
		`{"alice":{"dollars_per_day":-2}}`:                    "dollars_per_day is -2",
		`{"alice":{"dollars_per_month":1e7}}`:                 "dollars_per_month is 1e7",
		`{"alice":{"tokens_per_day":0.5}}`:                    "tokens_per_day is 0.5: want a whole number",
		`{"alice":{"dollars_per_day":1,"dollars_per_day":2}}`: "dollars_per_day is given twice",
		`{"alice":{"dollars_per_week":1}}`:                    `unknown field "dollars_per_week"`,
	} {
		_, err := load(t, "FLUXGATE_CALLERS="+text)
		assert.ErrorContains(t, err, want, text)
	}
}
