package config

import (
	"log/slog"
	"time"

	"fluxgate.dev/fluxgate/internal/config/origins"
)

// A Store names where the calendars are kept.
type Store string

// The stores. StoreAuto is Firestore on Google Cloud or when
// FIRESTORE_EMULATOR_HOST is set, otherwise what the machine has.
const (
	StoreAuto      Store = "auto"
	StoreMemory    Store = "memory"
	StoreFirestore Store = "firestore"
)

// A Count names how the size of a request is found before it is sent.
type Count string

// The ways to count. CountExact always asks Gemini's free countTokens,
// CountAuto skips the round trip for plain text that is small in any case, and
// CountEstimate never asks.
const (
	CountAuto     Count = "auto"
	CountExact    Count = "exact"
	CountEstimate Count = "estimate"
)

// A Mode names a filter over the model chain.
type Mode string

// The modes, as gemini-flux names them.
const (
	ModeBoth          Mode = "both"
	ModeProOnly       Mode = "pro_only"
	ModeFlashOnly     Mode = "flash_only"
	ModeFlashLiteOnly Mode = "flash_lite_only"
)

// A Policy names whether Gemini is asked for its limits when serve starts.
type Policy string

// The policies. PolicyAsk asks when the last answer is a week old; PolicyOff
// leaves it to POST /refresh-policy.
const (
	PolicyAsk Policy = "ask"
	PolicyOff Policy = "off"
)

// A Demo names when simulated providers stand in for keys that aren't configured.
type Demo string

// The demos. DemoAuto is that of `serve` on a terminal, where somebody looks;
// elsewhere a server without keys says so and answers nothing. DemoOn and DemoOff
// decide it.
const (
	DemoAuto Demo = "auto"
	DemoOn   Demo = "true"
	DemoOff  Demo = "false"
)

// A Prefer names the projects that are used first.
type Prefer string

// The preferences.
const (
	PreferFree Prefer = "free"
	PreferPaid Prefer = "paid"
	PreferAny  Prefer = "any" // as when nothing is said
)

// A Resources names who may use the files and cached contents that callers make.
type Resources string

// ResourcesOwn has each caller use its own, and administrators everybody's.
// ResourcesShared has everybody use everybody's.
const (
	ResourcesOwn    Resources = "own"
	ResourcesShared Resources = "shared"
)

// Config is what the environment says. [Load] makes one that is complete and
// valid. It may be printed and logged: keys and tokens are [Secret].
type Config struct {
	// Port is the TCP port to listen on, 0 to 65535; 0 asks for any free port.
	// PORT, default 8080. Cloud Run sets it.
	Port int `env:"PORT,default=8080"`

	// Store is where the calendars are kept: auto, memory or firestore.
	// FLUXGATE_STORE, default auto.
	Store Store `env:"FLUXGATE_STORE,default=auto"`

	// GoogleCloudProject is the Google Cloud project of Firestore and of secrets
	// that are named without one. It has nothing to do with the projects of the
	// Gemini keys. GOOGLE_CLOUD_PROJECT, default empty (the libraries find the
	// project that the function runs in).
	GoogleCloudProject string `env:"GOOGLE_CLOUD_PROJECT"`

	// Database is the Firestore database. FLUXGATE_DATABASE, default "(default)".
	Database string `env:"FLUXGATE_DATABASE,default=(default)"`

	// Collection is the Firestore collection that holds the documents.
	// FLUXGATE_COLLECTION, default "fluxgate".
	Collection string `env:"FLUXGATE_COLLECTION,default=fluxgate"`

	// FirestoreEmulatorHost is the host:port of a Firestore emulator, without a
	// scheme. FIRESTORE_EMULATOR_HOST, default empty: the real service.
	FirestoreEmulatorHost string `env:"FIRESTORE_EMULATOR_HOST"`

	// KeysSecret is the text of FLUXGATE_KEYS_SECRET: secrets of Secret Manager
	// that hold the keys, comma separated, each "projects/P/secrets/S",
	// "projects/P/secrets/S/versions/V" or "S" (which needs
	// GOOGLE_CLOUD_PROJECT). Default empty: the keys are in the environment.
	// SecretNames has them resolved.
	KeysSecret string `env:"FLUXGATE_KEYS_SECRET"`

	// SecretsTTL is how long keys and tokens of Secret Manager are used before they
	// are read again, 1m to 24h; a key that turns out invalid, a token that isn't
	// known and POST /validate have them read earlier. FLUXGATE_SECRETS_TTL, default
	// 15m, with which one instance and three secrets stay within what is free.
	SecretsTTL time.Duration `env:"FLUXGATE_SECRETS_TTL,default=15m"`

	// Demo says whether `serve` answers from simulated providers when no key is
	// configured: auto, true or false. FLUXGATE_DEMO, default auto.
	Demo Demo `env:"FLUXGATE_DEMO,default=auto"`

	// Tokens are the callers' tokens. FLUXGATE_TOKENS, a list of name:token
	// separated by commas or line breaks. Default empty. It is empty when
	// TokenSecretNames isn't: Secret Manager goes first.
	Tokens TokenList `env:"FLUXGATE_TOKENS"`

	// TokensSecret is the text of FLUXGATE_TOKENS_SECRET: secrets of Secret Manager
	// that hold the callers' tokens, named as in KeysSecret, each with one
	// name:token per line or [{"name":"…","token":"…"}]. Default empty.
	TokensSecret string `env:"FLUXGATE_TOKENS_SECRET"`

	// AdminTokens are the tokens that may also change the configuration at run
	// time. FLUXGATE_ADMIN_TOKENS, in the form of Tokens. Default empty.
	AdminTokens TokenList `env:"FLUXGATE_ADMIN_TOKENS"`

	// AdminTokensSecret is to AdminTokens what TokensSecret is to Tokens.
	// FLUXGATE_ADMIN_TOKENS_SECRET, default empty.
	AdminTokensSecret string `env:"FLUXGATE_ADMIN_TOKENS_SECRET"`

	// Auth states what guards a deployed service without tokens: nothing, so that
	// it refuses to serve, or iam. Outside Cloud Run it has no effect.
	// FLUXGATE_AUTH, default empty.
	Auth Auth `env:"FLUXGATE_AUTH"`

	// JobsAccount is the service account whose identity makes a scheduled job an
	// administrator, by its email address. FLUXGATE_JOBS_ACCOUNT, default empty:
	// none. It takes JobsAudience besides.
	JobsAccount string `env:"FLUXGATE_JOBS_ACCOUNT"`

	// JobsAudience are the audiences that a job's identity token may be made for:
	// the service's URL, as a rule. FLUXGATE_JOBS_AUDIENCE, comma separated,
	// default empty. It takes JobsAccount besides.
	JobsAudience AudienceList `env:"FLUXGATE_JOBS_AUDIENCE"`

	// Callers are the limits, budgets and weights of callers by name. FLUXGATE_CALLERS, a JSON
	// object such as {"alice":{"rpm":5,"tpm":250000,"rpd":100,"weight":3,"dollars_per_month":50}}.
	// Default empty: none, and all of the same weight.
	Callers LimitsByCaller `env:"FLUXGATE_CALLERS"`

	// Prices are what models cost, in dollars a million tokens, in place of the built-in
	// list prices. FLUXGATE_PRICES, a JSON object as price.Example. Default empty: those.
	Prices PricesByModel `env:"FLUXGATE_PRICES"`

	// Resources says whose files and cached contents are, where callers are told
	// apart: own or shared. FLUXGATE_RESOURCES, default own.
	Resources Resources `env:"FLUXGATE_RESOURCES,default=own"`

	// Hosts are the names by which this machine may be asked while no token is
	// configured, besides those that mean loopback. FLUXGATE_HOSTS, comma separated,
	// default empty: none.
	Hosts origins.Hosts `env:"FLUXGATE_HOSTS"`
	// CORS are the origins whose web pages may use the service, or "*" alone.
	// FLUXGATE_CORS, comma separated, default empty: none.
	CORS origins.List `env:"FLUXGATE_CORS"`

	// Limits are the operator's overrides by model or family name (pro, flash,
	// flash_lite, gemma, embedding), and by project. They are never gone beyond, as others
	// are to find out what holds. FLUXGATE_LIMITS, a JSON object such as
	// {"gemini-2.5-pro":{"rpm":5,"tpm":250000,"rpd":100},"projects":{"paid":{"flash":{"rpm":1000}}}}.
	// Default empty.
	Limits LimitsByModel `env:"FLUXGATE_LIMITS"`

	// Count is how requests are sized: auto, exact or estimate.
	// FLUXGATE_COUNT, default auto.
	Count Count `env:"FLUXGATE_COUNT,default=auto"`

	// Skew is added to the 60 s window, because Google counts a request when it
	// arrives. FLUXGATE_SKEW, 0 to 10s, default 500ms.
	Skew time.Duration `env:"FLUXGATE_SKEW,default=500ms"`

	// Hold is how long after its start a booking waits for its holder.
	// FLUXGATE_HOLD, 0 to 60s, default 5s.
	Hold time.Duration `env:"FLUXGATE_HOLD,default=5s"`

	// Chain is the models in order of preference, at most 16. That of a family (pro, flash,
	// flash_lite, gemma) stands for its models that Gemini lists, or that are built in. One of
	// another provider has that one's name before it (groq/llama-4).
	// FLUXGATE_CHAIN, comma separated, default empty: the built-in chain.
	Chain ModelList `env:"FLUXGATE_CHAIN"`

	// Policy says whether `serve` has Gemini asked for its models and limits when
	// that was a week ago: ask or off. The question is a request like any other.
	// FLUXGATE_POLICY, default ask.
	Policy Policy `env:"FLUXGATE_POLICY,default=ask"`

	// Prefer says which projects are used first where several have room for a request's model, by
	// what GEMINI_TIER_N declares. FLUXGATE_PREFER, free, paid or any, default empty: any of them.
	Prefer Prefer `env:"FLUXGATE_PREFER"`

	// MaxWait is how long a request waits for the best model of the chain before the next
	// one that can take it within that time is used, where it doesn't say itself (max_wait);
	// 0 to 25h. FLUXGATE_MAX_WAIT, default empty: however long that takes, across providers at most 10 minutes.
	MaxWait *time.Duration `env:"FLUXGATE_MAX_WAIT,noinit"`

	// Mode filters the chain: both, pro_only, flash_only or flash_lite_only.
	// GEMINI_MODE, default both.
	Mode Mode `env:"GEMINI_MODE,default=both"`

	// Log switches the startup report and the line per request on.
	// GEMINI_LOG, true or false, default true.
	Log bool `env:"GEMINI_LOG,default=true"`

	// LogLevel is the least severe level that is logged: debug, info, warn or
	// error. FLUXGATE_LOG_LEVEL, default info.
	LogLevel slog.Level `env:"FLUXGATE_LOG_LEVEL,default=info"`

	// MaxBody is the largest request body that is read, 1 KiB to 1 GiB.
	// FLUXGATE_MAX_BODY, bytes or with a unit ("32MiB"), default 32 MiB, which
	// is what Cloud Run lets through over HTTP/1.
	MaxBody Bytes `env:"FLUXGATE_MAX_BODY,default=32MiB"`

	// BodyBudget is how much memory the bodies of all requests in flight may take
	// together, at least MaxBody and 1 MiB, at most 1 TiB. Beyond it requests are refused
	// with 503. FLUXGATE_BODY_BUDGET, as MaxBody, default empty: of GOMEMLIMIT, or of
	// nine tenths of the container's memory, two thirds of what is beyond 64 MiB; and
	// 512 MiB where neither is known.
	BodyBudget Bytes `env:"FLUXGATE_BODY_BUDGET,default=0"`

	// Timeout is the deadline of one upstream request, 1s to 60m (the most that
	// Cloud Run allows). FLUXGATE_TIMEOUT, default 5m.
	Timeout time.Duration `env:"FLUXGATE_TIMEOUT,default=5m"`

	// IdleTimeout is how long Gemini may send nothing in the middle of a stream
	// before it is cut, 1s to 10m. FLUXGATE_IDLE_TIMEOUT, default 60s.
	IdleTimeout time.Duration `env:"FLUXGATE_IDLE_TIMEOUT,default=60s"`

	// Live has sessions of the Live API served. They need instances that take several
	// requests at a time, and so one vCPU or more: on a smaller one each session would have an
	// instance for itself. Nothing tells a process how much CPU its instance has, so whoever
	// deploys says it. FLUXGATE_LIVE, default true; terraform sets it by the CPU.
	Live bool `env:"FLUXGATE_LIVE,default=true"`

	// LiveIdleTimeout is how long nothing may pass in a session of the Live API before it is
	// ended, 1s to 60m. FLUXGATE_LIVE_IDLE_TIMEOUT, default 10m.
	LiveIdleTimeout time.Duration `env:"FLUXGATE_LIVE_IDLE_TIMEOUT,default=10m"`

	// Resend has requests sent again by themselves, up to twice, where the
	// connection or the answer broke after they had been sent in full. They may have
	// been served and billed, and would be once more. FLUXGATE_RESEND, default false.
	Resend bool `env:"FLUXGATE_RESEND,default=false"`

	// PassUnknown has administrators' requests for routes of Google's API that aren't
	// known here sent to the first project, as they are. No promise holds for them.
	// FLUXGATE_PASS_UNKNOWN, default false.
	PassUnknown bool `env:"FLUXGATE_PASS_UNKNOWN,default=false"`

	// Shadow has every request sent as it comes, over whatever limit, and only told what
	// would have waited: in the log, the metrics, /status and a header of the answer.
	// FLUXGATE_SHADOW, default false.
	Shadow bool `env:"FLUXGATE_SHADOW,default=false"`

	// BaseURL replaces Google's endpoint. It must be https unless its host is a
	// loopback address, because the key travels with every request.
	// GOOGLE_GEMINI_BASE_URL, default empty: Google's own. It is without the API's
	// version, which is taken off.
	BaseURL string `env:"GOOGLE_GEMINI_BASE_URL"`

	// OpenAIBaseURL and AnthropicBaseURL replace the endpoints of OpenAI and Anthropic, as
	// their SDKs read them: the one with the version, the other without. They must be https
	// unless their host is a loopback address. OPENAI_BASE_URL and ANTHROPIC_BASE_URL,
	// default empty: their own.
	OpenAIBaseURL    string `env:"OPENAI_BASE_URL"`
	AnthropicBaseURL string `env:"ANTHROPIC_BASE_URL"`

	// Providers are more endpoints that speak OpenAI's format, or Anthropic's.
	// FLUXGATE_PROVIDERS, a JSON list such as
	// [{"name":"groq","base_url":"https://api.groq.com/openai/v1"}], default empty. Each has
	// its keys in NAME_KEY_1, …, as OPENAI_KEY_1 and ANTHROPIC_KEY_1 are those of the
	// built-in ones.
	Providers ProviderList `env:"FLUXGATE_PROVIDERS"`

	// KService is the name of the Cloud Run service or function. K_SERVICE; the
	// platform sets it, nobody else should.
	KService string `env:"K_SERVICE"`

	// FunctionTarget is the function that the framework serves.
	// FUNCTION_TARGET; the platform sets it.
	FunctionTarget string `env:"FUNCTION_TARGET"`

	// Keys are the keys found in the environment, by rising Index. It is empty
	// when SecretNames isn't: Secret Manager goes first. From GEMINI_KEY_1,
	// GEMINI_KEY_2, … with optional GEMINI_PROJECT_1, …, GEMINI_BILLING_1, … and
	// GEMINI_TIER_1, …, or from GEMINI_API_KEYS, GEMINI_API_KEY or GOOGLE_API_KEY alone; and
	// those of other providers, by rising Index behind them.
	Keys []KeyEntry

	// Simulated says that the base URLs lead to simulators, which stand in for keys that
	// aren't configured. No variable sets it.
	Simulated bool

	// SecretNames are the secrets of KeysSecret as full version names,
	// "projects/P/secrets/S/versions/V", in configured order.
	SecretNames []string

	// TokenSecretNames and AdminTokenSecretNames are the secrets of TokensSecret
	// and AdminTokensSecret as full version names, in configured order.
	TokenSecretNames      []string
	AdminTokenSecretNames []string

	// Warnings are what is odd about the environment but didn't stop Load. They
	// hold no secret.
	Warnings []string
}

// OnCloud reports whether the program runs as a Cloud Run service or function.
// FUNCTION_TARGET alone doesn't say so: the framework reads it anywhere.
func (c Config) OnCloud() bool { return c.KService != "" }

// LogValue implements [slog.LogValuer]: every setting, and of the keys and
// tokens only how many there are.
func (c Config) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Int("port", c.Port),
		slog.String("store", string(c.Store)),
		slog.String("google_cloud_project", c.GoogleCloudProject),
		slog.String("database", c.Database),
		slog.String("collection", c.Collection),
		slog.String("firestore_emulator_host", c.FirestoreEmulatorHost),
		slog.Any("secrets", c.SecretNames),
		slog.Duration("secrets_ttl", c.SecretsTTL),
		slog.Int("keys", len(c.Keys)),
		slog.String("demo", string(c.Demo)),
		slog.Int("tokens", len(c.Tokens)),
		slog.Any("token_secrets", c.TokenSecretNames),
		slog.Int("admin_tokens", len(c.AdminTokens)),
		slog.Any("admin_token_secrets", c.AdminTokenSecretNames),
		slog.String("auth", string(c.Auth)),
		slog.String("jobs_account", c.JobsAccount),
		slog.Any("jobs_audience", []string(c.JobsAudience)),
		slog.String("callers", c.Callers.String()),
		slog.String("resources", string(c.Resources)),
		slog.Any("cors", []string(c.CORS)),
		slog.Any("hosts", []string(c.Hosts)),
		slog.String("limits", c.Limits.String()),
		slog.String("count", string(c.Count)),
		slog.Duration("skew", c.Skew),
		slog.Duration("hold", c.Hold),
		slog.Any("chain", []string(c.Chain)),
		slog.String("prefer", string(c.Prefer)),
		slog.Any("max_wait", c.MaxWait),
		slog.String("policy", string(c.Policy)),
		slog.String("mode", string(c.Mode)),
		slog.Bool("log", c.Log),
		slog.String("log_level", c.LogLevel.String()),
		slog.String("max_body", c.MaxBody.String()),
		slog.String("body_budget", c.BodyBudget.String()),
		slog.Duration("timeout", c.Timeout),
		slog.Duration("idle_timeout", c.IdleTimeout),
		slog.Bool("live", c.Live),
		slog.Duration("live_idle_timeout", c.LiveIdleTimeout),
		slog.Bool("resend", c.Resend),
		slog.Bool("pass_unknown", c.PassUnknown),
		slog.Bool("shadow", c.Shadow),
		slog.String("base_url", c.BaseURL),
		slog.String("openai_base_url", c.OpenAIBaseURL),
		slog.String("anthropic_base_url", c.AnthropicBaseURL),
		slog.Any("providers", c.Providers),
		slog.String("k_service", c.KService),
		slog.String("function_target", c.FunctionTarget),
		slog.Any("warnings", c.Warnings),
	)
}

// HasTokens reports whether any token is configured, in the environment or by
// the name of a secret.
func (c Config) HasTokens() bool { return c.HasCallerTokens() || c.hasAdminTokens() }

// HasCallerTokens is HasTokens for FLUXGATE_TOKENS and FLUXGATE_TOKENS_SECRET.
func (c Config) HasCallerTokens() bool { return len(c.Tokens) > 0 || len(c.TokenSecretNames) > 0 }

// hasAdminTokens is HasTokens for FLUXGATE_ADMIN_TOKENS and its secret.
func (c Config) hasAdminTokens() bool {
	return len(c.AdminTokens) > 0 || len(c.AdminTokenSecretNames) > 0
}

// HasJobs reports whether scheduled jobs are let in by their identity.
func (c Config) HasJobs() bool { return c.JobsAccount != "" && len(c.JobsAudience) > 0 }

func (c *Config) warn(text string) { c.Warnings = append(c.Warnings, text) }
