package upstream

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// wordings are the sentences in which providers are known to refuse (captured or documented, by the tests of packages
// gemini and refusals), and our own. Where one has a place for a name, there stands one of the kind that named has.
// What stands nowhere here may quote what a caller asked, such as "Unknown name …" does.
var wordings = []string{
	// Gemini's.
	`You exceeded your current quota, please check your plan and billing details\.`,
	`For more information on this error, (?:head to|read the docs): URL`,
	`To monitor your current usage, head to: URL`,
	`\* Quota exceeded for metric: METRIC, limit: \d+(?:, model: NAME)?`,
	`Quota exceeded for quota metric '[A-Z][A-Za-z ]{0,60}' and limit '[A-Z][A-Za-z ]{0,80}'(?: of service 'SERVICE')?(?: for consumer 'CONSUMER')?\.`,
	`Please retry in [0-9hms.]+`,
	`Resource has been exhausted \(e\.g\. check quota\)\.`,
	`You exceeded your spend-based rate limit\.`,
	`Your spending rate has exceeded the allowed limit for your account's billing history and tier\.`,
	`Your prepayment credits are depleted\.`,
	`Please go to AI Studio at URL to manage your project and billing\.`,
	`Your (?:billing account|project) has exceeded its monthly spending cap\.`,
	`Please go to AI Studio at URL to manage your project spend cap\.`,
	`An internal error has occurred\.`,
	`Please retry or report in URL`,
	`Internal error encountered\.`,
	`This model is currently experiencing high demand\.`,
	`Spikes in demand are usually temporary\.`,
	`The model is overloaded\.`,
	`The service is currently unavailable\.`,
	`Deadline expired before operation could complete\.`,
	`NAME is not found for API version v[0-9a-z]+, or is not supported for [A-Za-z]+\.`,
	`Call (?:ModelService\.)?ListModels to see the list of available models and their supported methods\.`,
	`(?:(?:This|The) model )?NAME is no longer available(?: to new users)?\.`,
	`This model is no longer available\.`,
	`Gemini(?: (?:[0-9.]+|Pro|Flash|Flash-Lite|Ultra|Nano|Vision|Image|Preview))+ has been (?:deprecated|retired|shut down) on [A-Z][a-z]+ \d+, \d+\.`,
	`Consider switching to (?:a )?different model, for example NAME`,
	`Please update your code to use a newer model for the latest features and improvements\.`,
	`Requested entity was not found\.`,
	`The caller does not have permission`,
	`Permission denied on resource project NAME\.`,
	`Your project has been denied access\.`,
	`Please contact support\.`,
	`Gemini API free tier is not available in your country\.`,
	`Please enable billing on your project in Google AI Studio\.`,
	`User location is not supported for the API use\.`,
	`API key not valid\.`,
	`Please pass a valid API key\.`,
	`API key expired\.`,
	`Please renew the API key\.`,
	`Your API key was reported as leaked\.`,
	`Please use another API key\.`,
	`Permission denied: Consumer 'CONSUMER' has been suspended\.`,
	`Generative Language API has not been used in project NAME before or it is disabled\.`,
	`Enable it by visiting URL then retry\.`,
	`Requests to this API SERVICE(?: method google[.][A-Za-z0-9.]+)? are blocked\.`,
	`Method doesn't allow unregistered callers(?: \(callers without established identity\))?\.`,
	`Please use API Key or other form of API consumer identity to call this API\.`,
	`Request had invalid authentication credentials\.`,
	`Request is missing required authentication credential\.`,
	`Expected OAuth 2 access token, login cookie or other valid authentication credential\.`,
	`Learn more about Gemini API quotas`,
	`Google developers? console API (?:key|activation)`,
	// OpenAI's, Anthropic's, those of others, and ours for one that redirects.
	`The provider redirects, which isn't followed: is it asked at the right address\?`,
	`Rate limit reached for (?:model )?NAME in organization NAME(?: service tier NAME)? on (?:requests|tokens|input tokens|output tokens|images|audio seconds) per (?:min|minute|hour|day)(?: \([A-Z]+\))?[:.] Limit:? NUMBER(?: / min\.|,) ?(?:(?:Used:?|Current:) NUMBER(?: / min\.|,) ?)?(?:Requested:? NUMBER\.)?`,
	`Please try again in [0-9hms.]+`,
	`Please try again soon\.`,
	`Need more tokens\? Upgrade to Dev Tier today at URL`,
	`Visit URL to learn more\.`,
	`For details, refer to: URL`,
	`The server had an error while processing your request\.`,
	`(?:The engine|That model|The server) is currently overloaded(?: with other requests)?[.,!]?`,
	`[Pp]lease try again later[.!]?`,
	`Project NAME does not have access to model NAME`,
	`The model NAME does not exist(?: or you do not have access to it)?\.?`,
	`The model NAME has been (?:decommissioned and is no longer supported|deprecated)\.`,
	`Incorrect API key provided: SECRET`,
	`You can find your API key at URL`,
	`(?:invalid x-api-key|(?:Wrong|Invalid) API Key|Overloaded|Internal server error|Rate limit exceeded|Provider returned error)\.?`,
	`model: NAME`,
	`Service tier capacity exceeded for this model\.`,
	`Requests per minute limit exceeded - too many requests sent\.`,
	`We're experiencing high traffic right now!`,
	`Insufficient credits\.`,
	`Add more using URL`,
	`This request would exceed your (?:organization's )?rate limit(?: of NUMBER (?:requests|tokens|input tokens|output tokens) per minute)?(?: \(org: NAME, model: NAME\))?\.?`,
	`This request would exceed your organization's maximum usage increase rate for (?:requests|tokens|input tokens|output tokens) per minute\.`,
	`Your credit balance is too low to access the Anthropic API\.`,
	`Please go to Plans & Billing to upgrade or purchase credits\.`,
	`You have reached your (?:specified )?(?:workspace )?API usage limits[.:]`,
	`your organization has crossed its monthly API usage threshold\.`,
	`You will regain access on [0-9-]+ at [0-9:]+ UTC\.`,
	`Your project has reached its spend limit\.`,
	`You have no credits remaining\.`,
	`Add credits to continue using the API at URL`,
	`Billing hard limit has been reached`,
	`Slow down`,
	`Model temporarily overloaded`,
	`You didn't provide an API key\.`,
	`You have insufficient permissions for this operation\.`,
	`Missing scopes: [a-z._]+`,
	`Country, region, or territory not supported`,
	`Sorry about that!`,
	`The model NAME is blocked at the organization level\.`,
	`Flex tier capacity exceeded`,
	`Requests to the [A-Za-z_]+ Operation under Azure OpenAI API version [0-9a-z-]+ have exceeded (?:token|call) rate limit of your current OpenAI S0 pricing tier\.`,
	`Please retry after NUMBER seconds?\.`,
	`The API deployment for this resource does not exist\.`,
	`Access denied(?: due to invalid subscription key or wrong API endpoint\.)?`,
	`Invalid model: NAME`,
	`Request was rejected due to (?:request|dynamic) rate limiting\.`,
	`Credit limit exceeded`,
	`Rate limit exceeded: free-models-per-day\. Add NUMBER credits to unlock NUMBER free model requests per day`,
	`No endpoints found for NAME`,
	`Too many requests for team NAME and model NAME`,
	`Your team (?:NAME )?has either used all available credits or reached its monthly spending limit\.`,
	`The server is overloaded or not ready yet\.`,
	`Insufficient Balance`,
	`model NAME not found, try pulling it first`,
	`Number of concurrent connections has exceeded your rate limit\.`,
	`Your API key does not have permission to use the specified resource\.`,
	// Ours.
	`Upstream answered with success but without an answer: there is no candidate, and no reason for that\.`,
	`Upstream answered with success but without a usable body\.`,
	`Upstream answered with success but with what is no answer, such as a page\.`,
	`It isn't passed on; the request may have been served\.`,
	`OWN's answer is larger than is held here\.`,
	`OWN has answered, but there is no room for the answer in this server's memory, with what else it has in hand\.`,
	`Gemini broke the connection\.`,
	`OWN refused an earlier request like this with HTTP \d+\.`,
	`What it said isn't repeated: it may quote that request\.`,
	`Gemini refuses [a-z_ ]{1,80} for now, on every project that could serve this request\.`,
	`It takes requests without that\.`,
}

// makers are what may stand before the name of a model, and families how such names begin.
const makers = `models|publishers|accounts|fireworks|google|openai|anthropic|meta|meta-llama|mistralai|qwen|deepseek|deepseek-ai|moonshotai|x-ai|` +
	`canopylabs|groq|z-ai|zai-org|minimaxai|nvidia|cohere|microsoft|nousresearch|amazon|perplexity|ai21|allenai|ibm-granite`

const families = `gemini|gemma|imagen|veo|lyria|learnlm|aqa|text-|embedding|multimodalembedding|nano-banana|omni|` + // Google's
	`gpt|chatgpt|o[1-9]|codex|computer-use|dall-e|sora|tts|whisper|davinci|babbage|claude|` +
	`llama|meta-llama|mistral|mixtral|ministral|magistral|codestral|devstral|pixtral|voxtral|open-mistral|open-mixtral|` +
	`qwen|qwq|deepseek|grok|kimi|moonshot|glm|command|c4ai|phi|nova|compound|minimax|allam|playai|distil|nemotron|hermes|yi|jamba|granite|sonar|dbrx`

// named has the kinds of names in wordings. NAME is of a model by the families that are known, or a number or an ID of a
// project, an organization or a team: any word might be a prompt of one word. OWN is of a provider, in our own words.
var named = strings.NewReplacer(
	"URL", `https://(?:[a-z0-9-]+\.)*(?:google\.dev|google\.com|generativeai\.google|ai\.dev|ai\.studio|openai\.com|groq\.com|claude\.com|anthropic\.com|openrouter\.ai)(?:[/?#][!-~]*)?`,
	"METRIC", `[a-z]+\.googleapis\.com/[a-z0-9_/]+`,
	"SERVICE", `[a-z]+\.googleapis\.com`,
	"CONSUMER", `(?:api_key:[A-Za-z0-9_-]{0,8}(?:\*{3,}|\[redacted\])[A-Za-z0-9_-]{0,4}|(?:project_number|projects?)[:/][0-9]+)`,
	"SECRET", `[A-Za-z0-9_-]{0,8}(?:\*{3,}|\[redacted\])[A-Za-z0-9_-]{0,4}\.?`,
	"NAME", "[\"'`]?(?:(?i:(?:"+makers+")/)*(?:(?i:"+families+")[A-Za-z0-9._:/@+-]*|[A-Za-z])|"+
		"[0-9][0-9a-f]{0,39}|(?:org|proj|team)[_-][A-Za-z0-9]{1,40}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|"+
		"on_demand|default|flex|priority|scale|auto|standard)[\"'`]?\\.?",
	"OWN", "[A-Za-z0-9][A-Za-z0-9._-]*",
)

// whole matches messages that consist of sentences that are known; fixed the longest beginning that consists of those
// without a name.
var whole, fixed = sync.OnceValue(func() *regexp.Regexp { return sentences(wordings, `$`) }), sync.OnceValue(func() *regexp.Regexp {
	return sentences(slices.DeleteFunc(slices.Clone(wordings), func(s string) bool { return named.Replace(s) != s }), ``)
})

// sentences returns an expression for the longest beginning that consists of sentences, each of which ends where a word
// does, before what the end matches.
func sentences(list []string, end string) *regexp.Regexp {
	all := strings.ReplaceAll(named.Replace(strings.Join(list, "|")), "NUMBER", "[0-9.,]*[0-9]")
	return regexp.MustCompile(`^(?:(?:` + all + `)(?:\s+|$))+` + end)
}

// maxName bounds, in bytes, what stands in the place of a name.
const maxName = 160

// known reports whether a message of a provider's is made of words that are known, and so can't quote what was asked.
func known(message string) bool {
	return whole().MatchString(message) && !slices.ContainsFunc(strings.Fields(message), func(word string) bool { return len(word) > maxName })
}

// received is where the text of an error of a connection goes on with what was received.
var received = regexp.MustCompile(`(?s)["'` + "`" + `].*|(\b(?:malformed|invalid|bad|unsupported|unexpected)\b[A-Za-z /-]*):.*`)

// forLog returns what of the message may stand in a log: none of a caller's words.
func (e *Error) forLog() string {
	switch {
	case e.HTTPStatus == 0 && e.cause != nil:
		return received.ReplaceAllString(e.Message, "$1…")
	case e.knownMessage():
		return strings.TrimSpace(e.Message)
	}
	said := fixed().FindString(e.Message)
	rest := fmt.Sprintf("%d bytes in words that aren't known, which may quote the request", len(e.Message)-len(said))
	if said == "" {
		return rest
	}
	return strings.TrimSpace(said) + " (and " + rest + ")"
}

// knownMessage reports whether the message can't quote what was asked.
func (e *Error) knownMessage() bool {
	return known(e.Message) || e.Message == http.StatusText(e.HTTPStatus)
}

// repeatable reports whether the error may be told to others than the one whose request it answers: it has members that
// are known, whose texts are known or of the kind that such a member has.
func (e *Error) repeatable() bool {
	var body any
	return e.knownMessage() && (len(e.Body) == 0 || json.Unmarshal(e.Body, &body) == nil && plain("", body))
}

// plain reports whether what a body holds in a member are known texts, and what else such members are known to hold.
func plain(member string, value any) bool {
	switch v := value.(type) {
	case string:
		shape, ok := members()[member]
		return len(v) <= maxName && ok && shape.MatchString(v) || known(v)
	case []any:
		return !slices.ContainsFunc(v, func(x any) bool { return !plain(member, x) })
	case map[string]any:
		for name, x := range v {
			if _, ok := members()[name]; !ok || !plain(name, x) {
				return false
			}
		}
	}
	return true
}

// members are those of providers' errors of whose values it is known what they are: texts that are known, and words of these
// kinds. No other word stands there, for it may be all that was asked.
var members = sync.OnceValue(func() map[string]*regexp.Regexp {
	all := make(map[string]*regexp.Regexp)
	for shape, names := range map[string]string{
		`[^\s\S]`: "error message details metadata violations quotaDimensions links description headers serviceTitle",
		`[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*|[a-z0-9]+(?:_[a-z0-9]+)+|tokens|requests|error|[0-9]+`: "code status reason type object error_code",
		`type\.googleapis\.com/google\.rpc\.[A-Za-z]+`:                                        "@type",
		`SERVICE|googleapis\.com|global`:                                                      "domain service apiName",
		`METRIC`:                                                                              "quotaMetric quota_metric",
		`[A-Za-z]+Per[A-Za-z0-9-]+`:                                                           "quotaId quota_limit",
		`NUMBER(?:[A-Za-z]+)?`:                                                                "quotaValue quota_limit_value retryDelay sequence_number X-RateLimit-Limit",
		`NAME`:                                                                                "model base_model",
		`global|[a-z]{2,12}-[a-z]{4,12}[0-9]`:                                                 "location region quota_location",
		`1/[a-z/{}]+`:                                                                         "quota_unit",
		`CONSUMER`:                                                                            "consumer containerInfo",
		`URL`:                                                                                 "url activationUrl",
		`google\.[A-Za-z0-9.]+`:                                                               "methodName",
		`[a-z]{2}(?:-[A-Z]{2})?`:                                                              "locale",
		`model|messages|input|max_tokens|max_completion_tokens`: "param",
		`(?:req_|chatcmpl-)?[0-9A-Za-z-]{16,40}`:                "request_id",
	} {
		for _, name := range strings.Fields(names) {
			all[name] = regexp.MustCompile(`^(?:` + strings.ReplaceAll(named.Replace(shape), "NUMBER", "[0-9.,]*[0-9]") + `)$`)
		}
	}
	return all
})
