package payload

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"
)

// A Generate is the body of POST /generate: gemini-flux's own fields, and system,
// model and max_wait. Nil and empty mean that a field isn't set.
type Generate struct {
	Prompt       []byte // a JSON string, as it stands in the body
	Mode         string
	PreferredKey *int // public ID of a key
	MaxTokens    *int64
	Temperature  *float64
	Retry        *bool
	System       []byte // a JSON string, as it stands in the body
	Model        string // without "models/"; "" or "auto": the chain

	timeout, maxWait *float64 // seconds
	images, files    [][]byte // JSON strings, as they stand in the body
}

// ReadGenerate reads the body of POST /generate. It fails with a *FieldError. The
// mode is not looked at: which there are is the scheduler's business.
func ReadGenerate(body []byte) (*Generate, error) {
	g := new(Generate)
	if err := Members(body, g.set); err != nil {
		return nil, err
	}
	g.Model = strings.TrimPrefix(g.Model, "models/")
	return g, g.check()
}

// generateFields are the names of its fields.
var generateFields = []string{
	"prompt", "images", "files", "mode", "preferred_key", "max_tokens", "temperature", "timeout", "retry", "system", "model", "max_wait",
}

// set sets the field of that name. As with encoding/json, capitals don't matter.
func (g *Generate) set(name string, value []byte) error {
	switch lower := strings.ToLower(name); lower {
	case "prompt":
		return decodeString(lower, value, &g.Prompt)
	case "images":
		return decodeStrings(lower, value, &g.images)
	case "files":
		return decodeStrings(lower, value, &g.files)
	case "mode":
		return decodeName(lower, value, &g.Mode)
	case "preferred_key":
		return decodeField(lower, value, &g.PreferredKey)
	case "max_tokens":
		return decodeField(lower, value, &g.MaxTokens)
	case "temperature":
		return decodeField(lower, value, &g.Temperature)
	case "timeout":
		return decodeField(lower, value, &g.timeout)
	case "retry":
		return decodeField(lower, value, &g.Retry)
	case "system":
		return decodeString(lower, value, &g.System)
	case "model":
		return decodeName(lower, value, &g.Model)
	case "max_wait":
		return decodeField(lower, value, &g.maxWait)
	}
	return UnknownField(name, generateFields)
}

// maxMedia bounds how many images, and how many files, a body may hold. Google takes
// 3600 images in a request.
const maxMedia = maxResources

// decodeStrings notes the elements of a list of strings, without decoding or
// copying them.
func decodeStrings(name string, value []byte, list *[][]byte) error {
	*list = nil
	switch value[0] {
	case 'n':
		return nil
	case '[':
	default:
		return invalid(name, wantedKinds[reflect.Slice])
	}
	for element := range ElementsOf(value) {
		if c := element[0]; c != '"' && c != 'n' {
			return invalid(name, wantedKinds[reflect.String])
		}
		if len(*list) == maxMedia {
			return invalid(name, fmt.Sprintf("it has more than %d. Send fewer in one request.", maxMedia))
		}
		*list = append(*list, element)
	}
	return nil
}

func (g *Generate) check() error {
	switch {
	case len(g.Prompt) <= len(`""`) && len(g.images)+len(g.files) == 0:
		return invalid("prompt", "say what to generate.")
	case g.Model != "" && !ValidModel(g.Model) && !strings.Contains(g.Model, "/"): // another provider's is for others to know
		return ErrModel
	case g.MaxTokens != nil && (*g.MaxTokens < 0 || *g.MaxTokens > math.MaxInt32):
		return invalid("max_tokens", "want a whole number from 1 to 2147483647, or 0 for the model's own limit.")
	case g.Temperature != nil && (*g.Temperature < 0 || *g.Temperature > 2):
		return invalid("temperature", "want a number from 0 to 2.")
	case g.timeout != nil && (*g.timeout <= 0 || *g.timeout > 3600):
		return invalid("timeout", "want seconds, more than 0 and at most 3600.")
	}
	return CheckMaxWait("max_wait", g.maxWait)
}

// maxMaxWait is the longest max_wait, in seconds: a Pacific day has at most 25
// hours.
const maxMaxWait = 90_000

// CheckMaxWait checks the seconds that a caller is ready to wait; nil: it didn't
// say. It fails with a *FieldError.
func CheckMaxWait(field string, wait *float64) error {
	if wait != nil && !(*wait >= 0 && *wait <= maxMaxWait) {
		return invalid(field, "want seconds, from 0 to 90000.")
	}
	return nil
}

// MaxWait returns how long the caller is ready to wait; nil: it didn't say.
func (g *Generate) MaxWait() *time.Duration { return seconds(g.maxWait) }

// Timeout returns how long the caller gives the request; nil: it didn't say.
func (g *Generate) Timeout() *time.Duration { return seconds(g.timeout) }

func seconds(s *float64) *time.Duration {
	if s == nil {
		return nil
	}
	d := Seconds(*s)
	return &d
}

// Seconds returns a duration of so many seconds.
func Seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// Media returns the images, then the files, each in its order. It fails with a
// *FieldError that names the first that isn't base64.
func (g *Generate) Media() ([]Media, error) {
	if len(g.images)+len(g.files) == 0 {
		return nil, nil
	}
	out := make([]Media, 0, len(g.images)+len(g.files))
	for _, list := range []struct {
		field string
		texts [][]byte
	}{{"images", g.images}, {"files", g.files}} {
		for i, text := range list.texts {
			m, err := readMedia(text)
			if err != nil {
				return nil, invalid(fmt.Sprintf("%s[%d]", list.field, i), "want base64, or a data: URL in base64.")
			}
			out = append(out, m)
		}
	}
	return out, nil
}
