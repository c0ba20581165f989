package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"fluxgate.dev/fluxgate/internal/usage/price"
)

// Limits are overrides of the quota of one model, or of each model of a
// family, or the limits of a caller (see [LimitsByCaller]). Nil keeps what is known without the override; -1 is unlimited; 0 says
// that there is no quota at all.
type Limits struct {
	RPM *int64 `json:"rpm,omitempty"` // requests per minute
	TPM *int64 `json:"tpm,omitempty"` // input tokens per minute
	RPD *int64 `json:"rpd,omitempty"` // requests per Pacific day
}

// Unlimited in [Limits] means that nothing is counted against it.
const Unlimited int64 = -1

// maxLimit is far above any quota and far below what overflows in a sum.
const maxLimit = 1_000_000_000_000

// String returns the overrides that are set, such as "rpm=5 tpm=unlimited".
func (l Limits) String() string {
	var parts []string
	for _, f := range []struct {
		name  string
		value *int64
	}{{"rpm", l.RPM}, {"tpm", l.TPM}, {"rpd", l.RPD}} {
		switch {
		case f.value == nil:
		case *f.value == Unlimited:
			parts = append(parts, f.name+"=unlimited")
		default:
			parts = append(parts, fmt.Sprintf("%s=%d", f.name, *f.value))
		}
	}
	return strings.Join(parts, " ")
}

// LimitsByModel are the overrides by model name or family (pro, flash,
// flash_lite, gemma, embedding); those of one project alone by [OfProject].
type LimitsByModel map[string]Limits

// OfProject is the name in [LimitsByModel] of a model or family on one project.
func OfProject(project, model string) string { return project + "/" + model }

// splitProject returns what OfProject was called with for a name, or no project. Whether it is
// that of another provider's model instead is known to [Config.SplitLimited].
func splitProject(name string) (project, model string) {
	if project, model, ok := strings.Cut(name, "/"); ok {
		return project, model
	}
	return "", name
}

// projectsName is the member of FLUXGATE_LIMITS that holds the limits of single projects.
const projectsName = "projects"

// String returns the overrides in a fixed order.
func (m LimitsByModel) String() string { return byName(m) }

func byName[T fmt.Stringer](m map[string]T) string {
	parts := make([]string, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, name+": "+m[name].String())
	}
	return strings.Join(parts, "; ")
}

// EnvDecode reads FLUXGATE_LIMITS:
// {"MODEL":{"rpm":N,"tpm":N,"rpd":N},…,"projects":{"PROJECT":{"MODEL":{…},…},…}}. The
// error lists everything that is wrong. A name may be one of [OfProject], too, as those are
// told. The empty text, with which go-envconfig calls decoders of variables that aren't set,
// is no override.
func (m *LimitsByModel) EnvDecode(text string) error {
	if text == "" {
		return nil
	}
	ofAll, ofProjects, err := cutProjects(text)
	if err != nil {
		return err
	}
	decoded, err := decodeMembers(ofAll, limitsName, decodeLimits)
	problems := []error{err}
	for _, of := range ofProjects {
		if err := checkLimited(of.name); err != nil {
			problems = append(problems, inVariable(projectsName, err)...)
			continue
		}
		own, err := decodeByName(string(of.value), limitsExample, limitsName, decodeLimits)
		if err != nil {
			problems = append(problems, inVariable(of.name, err)...)
		}
		for name, l := range own {
			if _, twice := decoded[OfProject(of.name, name)]; twice {
				problems = append(problems, fmt.Errorf("%s: %s is named twice: want it once", of.name, name))
			}
			decoded[OfProject(of.name, name)] = l
		}
	}
	if err := flat(problems...); err != nil {
		return err
	}
	*m = decoded
	return nil
}

const limitsExample = `{"gemini-2.5-pro":{"rpm":5,"tpm":250000,"rpd":100}}`

// cutProjects takes the limits of single projects off those of all.
func cutProjects(text string) (ofAll, projects []member, err error) {
	named, err := members([]byte(text))
	if err != nil {
		return nil, nil, fmt.Errorf("want a JSON object such as %s: %w", limitsExample, err)
	}
	for _, x := range named {
		if x.name != projectsName {
			ofAll = append(ofAll, x)
			continue
		}
		own, err := members(x.value)
		if err != nil {
			return nil, nil, fmt.Errorf(`%s: want an object such as {"my-project":%s}: %w`, projectsName, limitsExample, err)
		}
		projects = append(projects, own...)
	}
	return ofAll, projects, nil
}

// decodeByName reads a JSON object of what decode reads, by name; see decodeMembers.
func decodeByName[T any](text, example string, check func(string) (string, error), decode func(json.RawMessage) (T, error)) (map[string]T, error) {
	if text == "" {
		return nil, nil
	}
	named, err := members([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("want a JSON object such as %s: %w", example, err)
	}
	return decodeMembers(named, check, decode)
}

// decodeMembers reads what decode reads, by name. check returns a name as the rest of the
// program writes it. The error lists everything that is wrong.
func decodeMembers[T any](named []member, check func(string) (string, error), decode func(json.RawMessage) (T, error)) (map[string]T, error) {
	decoded := map[string]T{}
	var problems []error
	for _, member := range named {
		name, err := check(member.name)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		if _, twice := decoded[name]; twice {
			problems = append(problems, fmt.Errorf("%s is named twice: want it once", name))
		}
		decoded[name], err = decode(member.value)
		if err != nil {
			problems = append(problems, inVariable(name, err)...)
		}
	}
	return decoded, errors.Join(problems...)
}

func decodeLimits(raw json.RawMessage) (l Limits, err error) {
	fields, err := limitMembers(raw)
	if err != nil {
		return l, err
	}
	err = decodeNumbers(fields, "rpm, tpm and rpd", l.fields())
	return l, err
}

func (l *Limits) fields() map[string]**int64 {
	return map[string]**int64{"rpm": &l.RPM, "tpm": &l.TPM, "rpd": &l.RPD}
}

// limitMembers returns the members of a JSON object of limits.
func limitMembers(raw json.RawMessage) ([]member, error) {
	fields, err := members(raw)
	if err != nil {
		return nil, fmt.Errorf(`want an object such as {"rpm":5}: %w`, err)
	}
	return fields, nil
}

// decodeNumbers reads numbers, -1 or more, into the targets that there are.
func decodeNumbers(fields []member, there string, targets map[string]**int64) error {
	var problems []error
	for _, f := range fields {
		target, known := targets[f.name]
		if !known {
			problems = append(problems, fmt.Errorf("unknown field %s (there are %s)", quoted(f.name), there))
			continue
		}
		if *target != nil {
			problems = append(problems, fmt.Errorf("%s is given twice: want it once", f.name))
		}
		if string(f.value) == "null" {
			continue // null keeps, as an omitted field does
		}
		n, err := strconv.ParseInt(string(f.value), 10, 64)
		switch {
		case err != nil:
			problems = append(problems, fmt.Errorf("%s is %s: want a whole number", f.name, f.value))
		case n < Unlimited:
			problems = append(problems, fmt.Errorf("%s is %d: of the negative numbers only -1 (unlimited) means something", f.name, n))
		case n > maxLimit:
			problems = append(problems, fmt.Errorf("%s is %d: want at most %d, or -1 for unlimited", f.name, n, int64(maxLimit)))
		default:
			*target = &n
		}
	}
	return errors.Join(problems...)
}

type member struct {
	name  string
	value json.RawMessage
}

// members returns the members of a JSON object in their order. encoding/json
// into a map would let the second of two equal names win without a word.
func members(text []byte) ([]member, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	start, err := dec.Token()
	if err != nil {
		return nil, notJSON(err)
	}
	if start != json.Delim('{') {
		return nil, errors.New("it isn't an object")
	}
	var all []member
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, notJSON(err)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, notJSON(err)
		}
		all = append(all, member{name.(string), value}) // a member's name is always a string
	}
	if _, err := dec.Token(); err != nil {
		return nil, notJSON(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the object")
	}
	return all, nil
}

func notJSON(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it ends too early")
	}
	return err
}

// CallerLimits are the limits of one caller. What is nil or [Unlimited] isn't limited; 0
// lets nothing through.
type CallerLimits struct {
	Limits
	// Weight is how much of what callers share is this one's when several wait: a caller of
	// 3 gets three times as much as one of 1, which is what 0 stands for too. At most
	// maxWeight.
	Weight int64
	// Budget is what the caller may spend.
	Budget Budget
}

// A Budget bounds what a caller uses by the Pacific day and month. What is nil isn't bounded;
// 0 lets nothing through.
type Budget struct {
	TokensPerDay, TokensPerMonth   *int64 // input, output and thoughts
	DollarsPerDay, DollarsPerMonth *price.Pico
}

const maxWeight = 1000

// String returns what is set, such as "rpm=5 weight=3".
func (l CallerLimits) String() string {
	parts := []string{}
	if text := l.Limits.String(); text != "" {
		parts = append(parts, text)
	}
	for _, x := range []struct {
		name string
		most *int64
	}{{"tokens_per_day", l.Budget.TokensPerDay}, {"tokens_per_month", l.Budget.TokensPerMonth}} {
		if x.most != nil {
			parts = append(parts, fmt.Sprintf("%s=%d", x.name, *x.most))
		}
	}
	for _, x := range []struct {
		name string
		most *price.Pico
	}{{"dollars_per_day", l.Budget.DollarsPerDay}, {"dollars_per_month", l.Budget.DollarsPerMonth}} {
		if x.most != nil {
			parts = append(parts, x.name+"="+strconv.FormatFloat(x.most.Dollars(), 'f', -1, 64))
		}
	}
	if l.Weight != 0 {
		parts = append(parts, fmt.Sprintf("weight=%d", l.Weight))
	}
	return strings.Join(parts, " ")
}

// LimitsByCaller are the limits of callers by their names: those of tokens, or
// with FLUXGATE_AUTH=iam email addresses.
type LimitsByCaller map[string]CallerLimits

// String returns the limits in a fixed order.
func (m LimitsByCaller) String() string { return byName(m) }

// EnvDecode reads FLUXGATE_CALLERS: {"NAME":{"rpm":N,"tpm":N,"rpd":N,"weight":N,
// "tokens_per_day":N,"tokens_per_month":N,"dollars_per_day":N,"dollars_per_month":N},…}. The
// error lists everything that is wrong.
func (m *LimitsByCaller) EnvDecode(text string) error {
	decoded, err := decodeByName(text, `{"alice":{"rpm":5,"tpm":250000,"rpd":100,"weight":3}}`, limitedName, decodeCallerLimits)
	if err == nil {
		*m = decoded
	}
	return err
}

func decodeCallerLimits(raw json.RawMessage) (l CallerLimits, err error) {
	fields, err := limitMembers(raw)
	if err != nil {
		return l, err
	}
	var weight *int64
	numbers := l.fields()
	numbers["weight"], numbers["tokens_per_day"], numbers["tokens_per_month"] = &weight, &l.Budget.TokensPerDay, &l.Budget.TokensPerMonth
	rest, err := cutDollars(fields, map[string]**price.Pico{"dollars_per_day": &l.Budget.DollarsPerDay, "dollars_per_month": &l.Budget.DollarsPerMonth})
	err = errors.Join(err, decodeNumbers(rest, "rpm, tpm, rpd, weight, tokens_per_day, tokens_per_month, dollars_per_day and dollars_per_month", numbers))
	for _, most := range []**int64{&l.Budget.TokensPerDay, &l.Budget.TokensPerMonth} {
		if *most != nil && **most == Unlimited {
			*most = nil
		}
	}
	if weight == nil {
		return l, err
	}
	if l.Weight = *weight; l.Weight < 1 || l.Weight > maxWeight {
		err = errors.Join(err, fmt.Errorf("weight is %d: want 1 to %d", l.Weight, maxWeight))
	}
	return l, err
}

// maxDollars is far above any budget and far below what overflows in a sum.
const maxDollars = 1_000_000

// cutDollars reads the members of an object that are amounts of dollars, and returns the others.
func cutDollars(fields []member, targets map[string]**price.Pico) (rest []member, _ error) {
	var problems []error
	for _, f := range fields {
		target, known := targets[f.name]
		if !known {
			rest = append(rest, f)
			continue
		}
		if *target != nil {
			problems = append(problems, fmt.Errorf("%s is given twice: want it once", f.name))
		}
		switch n, err := strconv.ParseFloat(string(f.value), 64); {
		case string(f.value) == "null", err == nil && n == float64(Unlimited):
		case err != nil || n < 0 || n > maxDollars:
			problems = append(problems, fmt.Errorf("%s is %s: want dollars, 0 to %d, or -1 for no limit", f.name, f.value, maxDollars))
		default:
			*target = new(price.Pico(math.Round(n * 1e12)))
		}
	}
	return rest, errors.Join(problems...)
}
