package config

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/joho/godotenv"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/config/origins"
)

func load(t *testing.T, environ ...string) (*Config, error) {
	t.Helper()
	return Load(t.Context(), environ)
}

func TestDefaults(t *testing.T) {
	c, err := load(t)
	require.NoError(t, err)
	assert.Equal(t, &Config{
		Port: 8080, Store: StoreAuto, Database: "(default)", Collection: "fluxgate",
		Count: CountAuto, Resources: ResourcesOwn, Skew: 500 * time.Millisecond, Hold: 5 * time.Second,
		Mode: ModeBoth, Policy: PolicyAsk, Log: true, LogLevel: slog.LevelInfo, MaxBody: 32 << 20, Timeout: 5 * time.Minute, IdleTimeout: time.Minute, Live: true, LiveIdleTimeout: 10 * time.Minute,
		SecretsTTL: 15 * time.Minute, Demo: DemoAuto,
	}, c)
	assert.False(t, c.OnCloud())
}

func TestEveryVariableIsRead(t *testing.T) {
	c, err := load(t,
		"PORT=0", "FLUXGATE_STORE=firestore", "GOOGLE_CLOUD_PROJECT=example.com:p-1",
		"FLUXGATE_DATABASE=gate-1", "FLUXGATE_COLLECTION=gates", "FIRESTORE_EMULATOR_HOST=[::1]:8200",
		"FLUXGATE_KEYS_SECRET=S, projects/q/secrets/T/versions/3",
		`FLUXGATE_LIMITS={"gemini-2.5-pro":{"rpm":5,"rpd":-1}}`, "FLUXGATE_COUNT=exact", "FLUXGATE_RESOURCES=shared", "FLUXGATE_SKEW=0",
		"FLUXGATE_HOLD=60s", "FLUXGATE_CHAIN=models/gemini-2.5-flash, gemini-2.5-pro,", "GEMINI_MODE=flash_lite_only", "FLUXGATE_POLICY=off",
		"GEMINI_LOG=False", "FLUXGATE_LOG_LEVEL=debug", "FLUXGATE_MAX_BODY=1 MiB", "FLUXGATE_BODY_BUDGET=300MiB", "FLUXGATE_TIMEOUT=90s",
		"GOOGLE_GEMINI_BASE_URL=http://127.0.0.1:9000", "K_SERVICE=gate", "FUNCTION_TARGET=Fluxgate",
		"FLUXGATE_TOKENS=alice:0123456789abcdef", "FLUXGATE_TOKENS_SECRET=", "FLUXGATE_ADMIN_TOKENS_SECRET=A",
		"FLUXGATE_AUTH=iam", `FLUXGATE_CALLERS={"alice":{"rpm":5,"weight":3},"Bob@example.com":{"rpd":-1}}`,
		"FLUXGATE_CORS=https://app.example, http://localhost:3000", "FLUXGATE_IDLE_TIMEOUT=10m", "FLUXGATE_LIVE=false", "FLUXGATE_LIVE_IDLE_TIMEOUT=1h", "FLUXGATE_RESEND=true", "FLUXGATE_PASS_UNKNOWN=true", "FLUXGATE_SECRETS_TTL=6h", "FLUXGATE_DEMO=true",
		"FLUXGATE_JOBS_ACCOUNT=jobs@p.iam.gserviceaccount.com", "FLUXGATE_JOBS_AUDIENCE=https://gate.example, https://gate-1.example,")
	require.NoError(t, err)
	five, unlimited := int64(5), Unlimited
	assert.Equal(t, &Config{
		Port: 0, Store: StoreFirestore, GoogleCloudProject: "example.com:p-1",
		Database: "gate-1", Collection: "gates", FirestoreEmulatorHost: "[::1]:8200",
		KeysSecret:  "S, projects/q/secrets/T/versions/3",
		SecretNames: []string{"projects/example.com:p-1/secrets/S/versions/latest", "projects/q/secrets/T/versions/3"},
		Limits:      LimitsByModel{"gemini-2.5-pro": {RPM: &five, RPD: &unlimited}}, Count: CountExact, Resources: ResourcesShared, Skew: 0,
		Hold: time.Minute, Chain: ModelList{"gemini-2.5-flash", "gemini-2.5-pro"}, Mode: ModeFlashLiteOnly, Policy: PolicyOff,
		Log: false, LogLevel: slog.LevelDebug, MaxBody: 1 << 20, BodyBudget: 300 << 20, Timeout: 90 * time.Second,
		BaseURL: "http://127.0.0.1:9000", KService: "gate", FunctionTarget: "Fluxgate",
		Tokens:            TokenList{{"alice", NewSecret("0123456789abcdef"), "FLUXGATE_TOKENS: entry 1"}},
		AdminTokensSecret: "A", AdminTokenSecretNames: []string{"projects/example.com:p-1/secrets/A/versions/latest"},
		Auth: AuthIAM, Callers: LimitsByCaller{"alice": {Limits: Limits{RPM: &five}, Weight: 3}, "bob@example.com": {Limits: Limits{RPD: &unlimited}}},
		CORS: origins.List{"https://app.example", "http://localhost:3000"}, IdleTimeout: 10 * time.Minute, LiveIdleTimeout: time.Hour, Resend: true, PassUnknown: true, SecretsTTL: 6 * time.Hour, Demo: DemoOn,
		JobsAccount: "jobs@p.iam.gserviceaccount.com", JobsAudience: AudienceList{"https://gate.example", "https://gate-1.example"},
	}, c)
	assert.True(t, c.OnCloud())
}

func TestHowValuesAreTaken(t *testing.T) {
	// docker --env-file hands quotes on; a copied .env.example leaves values
	// empty; a flag is appended to the environment and must win.
	c, err := load(t, `PORT=" 9000 "`, "FLUXGATE_HOLD='2s'", "FLUXGATE_STORE=", "FLUXGATE_COUNT=auto", "FLUXGATE_COUNT=exact", "=C:=odd", "noequals")
	require.NoError(t, err)
	assert.Equal(t, 9000, c.Port)
	assert.Equal(t, 2*time.Second, c.Hold)
	assert.Equal(t, StoreAuto, c.Store)
	assert.Equal(t, CountExact, c.Count)
	assert.Empty(t, c.Warnings)
}

func TestAllProblemsAtOnce(t *testing.T) {
	// Some are found while decoding, some while checking; neither may hide the
	// other, and each is said once.
	_, err := load(t, "PORT=x", "FLUXGATE_SKEW=11s", "FLUXGATE_HOLD=5", "GEMINI_LOG=yes", "FLUXGATE_STORE=redis",
		`FLUXGATE_LIMITS={"a":{"rpn":1},"b":{"tpm":-2}}`, "GEMINI_KEY_1=a b", "GEMINI_PROJECT_2=p", "FLUXGATE_KEYS_SECRET=a/b",
		"FLUXGATE_LOG_LEVEL=loud", "FLUXGATE_MAX_BODY=big")
	require.Error(t, err)
	lines := strings.Split(err.Error(), "\n")
	want := []string{
		`PORT: "x": want a whole number`,
		`FLUXGATE_SKEW: 11s: want 0s to 10s`,
		`FLUXGATE_HOLD: "5": want a duration with its unit, such as 500ms, 5s or 2m`,
		`GEMINI_LOG: "yes": want true or false`,
		`FLUXGATE_STORE: "redis": want auto, memory or firestore`,
		`FLUXGATE_LIMITS: a: unknown field "rpn" (there are rpm, tpm and rpd)`,
		`FLUXGATE_LIMITS: b: tpm is -2: of the negative numbers only -1 (unlimited) means something`,
		`GEMINI_PROJECT_2: there is no GEMINI_KEY_2: set that, or leave this out`,
		`FLUXGATE_KEYS_SECRET: want projects/P/secrets/S, projects/P/secrets/S/versions/V or S, comma separated`,
		`FLUXGATE_LOG_LEVEL: "loud": want debug, info, warn or error`,
		`FLUXGATE_MAX_BODY: "big": want bytes or a size with its unit, such as 33554432 or 32MiB`,
	}
	// GEMINI_KEY_1 is not among them: with FLUXGATE_KEYS_SECRET it isn't used.
	assert.ElementsMatch(t, want, lines)
}

func TestOneProblem(t *testing.T) {
	for _, tt := range []struct{ entry, want string }{
		{"PORT=65536", "PORT: 65536: want 0 to 65535"},
		{"PORT=-1", "PORT: -1: want 0 to 65535"},
		{"FLUXGATE_SKEW=-1ms", "FLUXGATE_SKEW: -1ms: want 0s to 10s"},
		{"FLUXGATE_HOLD=61s", "FLUXGATE_HOLD: 1m1s: want 0s to 1m0s"},
		{"FLUXGATE_TIMEOUT=0s", "FLUXGATE_TIMEOUT: 0s: want 1s to 1h0m0s"},
		{"FLUXGATE_IDLE_TIMEOUT=999ms", "FLUXGATE_IDLE_TIMEOUT: 999ms: want 1s to 10m0s"},
		{"FLUXGATE_IDLE_TIMEOUT=601s", "FLUXGATE_IDLE_TIMEOUT: 10m1s: want 1s to 10m0s"},
		{"FLUXGATE_IDLE_TIMEOUT=60", "want a duration with its unit"},
		{"FLUXGATE_LIVE_IDLE_TIMEOUT=60", `FLUXGATE_LIVE_IDLE_TIMEOUT: "60": want a duration with its unit`},
		{"FLUXGATE_MAX_WAIT=60", `FLUXGATE_MAX_WAIT: "60": want a duration with its unit`},
		{"FLUXGATE_LIVE=on", `FLUXGATE_LIVE: "on": want true or false`},
		{"FLUXGATE_AUTH=none", `FLUXGATE_AUTH: "none": want iam, or nothing`},
		{"FLUXGATE_MAX_BODY=1023", "FLUXGATE_MAX_BODY: 1023B: want 1KiB to 1GiB"},
		{"FLUXGATE_MAX_BODY=2GiB", "FLUXGATE_MAX_BODY: 2GiB: want 1KiB to 1GiB"},
		{"FLUXGATE_MAX_BODY=9999999999GiB", "FLUXGATE_MAX_BODY: \"9999999999GiB\": want bytes or a size"}, // would overflow
		{"FLUXGATE_MAX_BODY=-5", "want bytes or a size"},
		{"FLUXGATE_MAX_BODY=32M", "want bytes or a size"}, // 10^6 or 2^20? Not guessed
		{"FLUXGATE_BODY_BUDGET=32MiB", "FLUXGATE_BODY_BUDGET: 32MiB: want at least 33MiB, for one body of FLUXGATE_MAX_BODY (32MiB); or make that smaller"},
		{"FLUXGATE_BODY_BUDGET=2048GiB", "FLUXGATE_BODY_BUDGET: 2048GiB: want at most 1TiB"},
		{"FLUXGATE_COUNT=guess", `FLUXGATE_COUNT: "guess": want auto, exact or estimate`},
		{"FLUXGATE_POLICY=on", `FLUXGATE_POLICY: "on": want ask or off`},
		{"GEMINI_MODE=Both", `GEMINI_MODE: "Both": want both, pro_only, flash_only or flash_lite_only`},
		{"FLUXGATE_DATABASE=default", ""}, // a legal ID, though rarely meant
		{"FLUXGATE_DATABASE=Gate", "FLUXGATE_DATABASE: \"Gate\": want (default)"},
		{"FLUXGATE_COLLECTION=a/b", "FLUXGATE_COLLECTION: \"a/b\": want 1 to 128"}, // would be a subcollection
		{"FLUXGATE_COLLECTION=__x__", "Firestore keeps names like __this__"},
		{"GOOGLE_CLOUD_PROJECT=projects/p", "want no blanks, slashes"},
		{"FIRESTORE_EMULATOR_HOST=http://localhost:8200", "want host:port without a scheme"},
		{"FIRESTORE_EMULATOR_HOST=localhost", "want host:port without a scheme"},
		{"FIRESTORE_EMULATOR_HOST=localhost:0", "want a port from 1 to 65535"},
		{"FLUXGATE_CHAIN=a,b,models/a", "FLUXGATE_CHAIN: a is named twice"},
		{"FLUXGATE_CHAIN=gemini 2.5", "FLUXGATE_CHAIN: model \"gemini 2.5\": want letters"},
		{"FLUXGATE_CHAIN=" + strings.Repeat("m", 129), "want at most 128 characters"},
		{"FLUXGATE_CHAIN=a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", "FLUXGATE_CHAIN: 17 models: want at most 16"},
		{"FLUXGATE_CHAIN=gemini/gemini-2.5-pro,openai/gpt-5.5,anthropic/us.anthropic.claude:0", ""},
		{"FLUXGATE_CHAIN=gemini/a,a", "FLUXGATE_CHAIN: a is named twice"},
		{"FLUXGATE_CHAIN=groq/llama-4", "FLUXGATE_CHAIN: groq/llama-4: there is no provider groq: want one of gemini, openai, anthropic, or name it"},
		{"FLUXGATE_CHAIN=openai/a b", "FLUXGATE_CHAIN: model \"openai/a b\": want letters"},
		{"FLUXGATE_KEYS_SECRET=S", "needs GOOGLE_CLOUD_PROJECT"},
		{"FLUXGATE_KEYS_SECRET=,", "FLUXGATE_KEYS_SECRET: it names no secret"},
	} {
		t.Run(tt.entry, func(t *testing.T) {
			_, err := load(t, tt.entry)
			if tt.want == "" {
				assert.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.want)
			assert.NotContains(t, err.Error(), "\n", "one mistake, one line")
		})
	}
}

func TestBaseURL(t *testing.T) {
	for _, ok := range []string{
		"", "https://generativelanguage.googleapis.com", "https://proxy.example/base/",
		"http://localhost:8080", "http://127.0.0.1:1", "http://127.8.8.8", "http://[::1]:80", "http://[::ffff:127.0.0.1]",
	} {
		assert.NoError(t, checkBaseURL(ok), ok)
	}
	for bad, want := range map[string]string{
		"http://example.com":            "over plain http",
		"http://localhost.example.com":  "over plain http", // only looks like loopback
		"http://10.0.0.1":               "over plain http",
		"ftp://localhost":               "want an https URL",
		"generativelanguage.googleapis": "want an absolute URL",
		"localhost:8080":                "want an absolute URL", // parses as scheme "localhost"
		"https://":                      "want an absolute URL",
		"https://h\x7f":                 "want an absolute URL",
		"https://u:hunter2@h":           "want no user or password",
		"https://h/?key=hunter2":        "want no query",
		"https://h/#hunter2":            "want no query and no fragment",

		"https://169.254.169.254":            "link-local",
		"https://169.254.169.254.":           "link-local",
		"https://[::ffff:169.254.169.254]":   "link-local",
		"https://[fe80::1%25eth0]":           "link-local",
		"https://[fd00:ec2::254]":            "link-local",
		"https://Metadata.Google.Internal./": "link-local",
	} {
		err := checkBaseURL(bad)
		require.ErrorContains(t, err, want, bad)
		assert.NotContains(t, err.Error(), "hunter2", "a URL may hold a password")
	}
	assert.Len(t, inVariable("X", checkBaseURL("http://u@example.com?q")), 3, "all problems of one URL")
}

func TestUnknownVariableIsPointedOut(t *testing.T) {
	// A misspelt variable is otherwise a default that nobody asked for.
	c, err := load(t, "FLUXGATE_SKEWW=1s", "GEMINI_LOGG=1", "PATH=/bin")
	require.NoError(t, err)
	assert.Equal(t, []string{`"FLUXGATE_SKEWW" is not a variable of Fluxgate: did you mean FLUXGATE_SKEW?`}, c.Warnings)
	c, err = load(t, "FLUXGATE_WHATEVER=1")
	require.NoError(t, err)
	assert.Equal(t, []string{`"FLUXGATE_WHATEVER" is not a variable of Fluxgate`}, c.Warnings, "what is like none isn't guessed")

	// A token that commands send lets nobody in.
	_, err = load(t, "FLUXGATE_TOKEN=0123456789abcdef-alice")
	assert.ErrorContains(t, err, "FLUXGATE_TOKEN is what commands send to the server of FLUXGATE_URL, and lets nobody in here: want FLUXGATE_TOKENS=NAME:TOKEN")
	assert.NotContains(t, err.Error(), "alice")
	for _, beside := range []string{"FLUXGATE_URL=http://localhost:8080", "FLUXGATE_TOKENS=alice:0123456789abcdef-alice"} {
		c, err := load(t, "FLUXGATE_TOKEN=0123456789abcdef-alice", beside)
		require.NoError(t, err)
		assert.Empty(t, c.Warnings)
	}
}

// The example must name every variable and state the defaults that hold.
func TestEnvExample(t *testing.T) {
	vars, err := godotenv.Read("../../.env.example")
	require.NoError(t, err)
	for _, name := range variableNames() {
		if name == "K_SERVICE" || name == "FUNCTION_TARGET" {
			assert.NotContains(t, vars, name, "the platform's, not the operator's")
			continue
		}
		assert.Contains(t, vars, name)
	}
	var environ []string
	for name, value := range vars {
		environ = append(environ, name+"="+value)
	}
	got, err := load(t, environ...)
	require.NoError(t, err)
	want, err := load(t)
	require.NoError(t, err)
	assert.Equal(t, want, got, "a copy of the example changes nothing")

	for _, name := range []string{"PORT", "FLUXGATE_STORE", "FLUXGATE_DATABASE", "FLUXGATE_COLLECTION", "FLUXGATE_COUNT",
		"FLUXGATE_SKEW", "FLUXGATE_HOLD", "FLUXGATE_POLICY", "GEMINI_MODE", "GEMINI_LOG", "FLUXGATE_LOG_LEVEL", "FLUXGATE_MAX_BODY", "FLUXGATE_TIMEOUT",
		"FLUXGATE_IDLE_TIMEOUT", "FLUXGATE_RESEND", "FLUXGATE_PASS_UNKNOWN", "FLUXGATE_SECRETS_TTL", "FLUXGATE_DEMO"} {
		assert.NotEmpty(t, vars[name], "%s states its default", name)
	}

	// The commented examples work when they are uncommented.
	text, err := os.ReadFile("../../.env.example")
	require.NoError(t, err)
	example := func(name string) string {
		_, line, found := strings.Cut(string(text), "# "+name+"=")
		require.True(t, found)
		line, _, _ = strings.Cut(line, "\n")
		return name + "=" + line
	}
	c, err := load(t, example("FLUXGATE_LIMITS"), example("FLUXGATE_CALLERS"))
	require.NoError(t, err)
	assert.Equal(t, "flash: rpd=unlimited; gemini-2.5-pro: rpm=5 tpm=250000 rpd=100", c.Limits.String())
	assert.Equal(t, "alice: rpm=5 tpm=250000 dollars_per_month=50; bob: rpd=100 weight=3", c.Callers.String())
}

func TestLoadWithCancelledContext(t *testing.T) {
	// Reading an environment can't block: a dead context is no reason to fail.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Load(ctx, nil)
	assert.NoError(t, err)
}

// The clients that want the version in their base URL are told it so, and so it is
// what people have at hand. Case C15.
func TestVersionInBaseURL(t *testing.T) {
	for in, want := range map[string]string{
		"https://gemini.test":                     "https://gemini.test",
		"https://gemini.test/":                    "https://gemini.test/",
		"https://gemini.test/v1beta":              "https://gemini.test",
		"https://gemini.test/v1beta/":             "https://gemini.test",
		"https://gemini.test/v1":                  "https://gemini.test",
		"https://gemini.test/v1alpha":             "https://gemini.test",
		"https://gemini.test/v1beta/openai/":      "https://gemini.test",
		"https://gemini.test/openai/v1":           "https://gemini.test",
		"https://gemini.test//v1beta":             "https://gemini.test",
		"https://gemini.test/v1beta/models":       "https://gemini.test",
		"https://gemini.test/v1/models/":          "https://gemini.test",
		"https://gemini.test/models":              "https://gemini.test/models",
		"http://localhost:8090/v1beta":            "http://localhost:8090",
		"https://gateway.test/v1/team/gemini":     "https://gateway.test/v1/team/gemini",
		"https://gateway.test/gemini/v1beta":      "https://gateway.test/gemini",
		"https://gateway.test/my-v1beta":          "https://gateway.test/my-v1beta",
		"https://gateway.test/gemini%2Fx/v1beta1": "https://gateway.test/gemini%2Fx/v1beta1",
	} {
		c, err := load(t, "GOOGLE_GEMINI_BASE_URL="+in)
		require.NoError(t, err, in)
		assert.Equal(t, want, c.BaseURL, in)
		if in == want {
			assert.Empty(t, c.Warnings, in)
		} else if assert.Len(t, c.Warnings, 1, in) {
			assert.Contains(t, c.Warnings[0], "GOOGLE_GEMINI_BASE_URL ends in ")
			assert.NotContains(t, c.Warnings[0], ".test", "it may hold a password")
		}
	}
	_, err := load(t, "GOOGLE_GEMINI_BASE_URL=https://user:hunter2@gemini.test/v1beta")
	require.ErrorContains(t, err, "no user or password")
	assert.NotContains(t, err.Error(), "hunter2")
}
