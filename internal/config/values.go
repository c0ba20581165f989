package config

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// ModelList is a list of model names: Gemini's without the "models/" prefix, those of other
// providers with the provider's name before theirs, as "groq/llama-4".
type ModelList []string

// maxModels is how many models the calendars of one project hold.
const maxModels = 16

// EnvDecode reads a comma separated list; blank entries are skipped.
func (l *ModelList) EnvDecode(text string) error {
	var list ModelList
	var problems []error
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		name, err := chainName(part)
		switch {
		case err != nil:
			problems = append(problems, err)
		case slices.Contains(list, name):
			problems = append(problems, fmt.Errorf("%s is named twice: want it once", name))
		default:
			list = append(list, name)
		}
	}
	if len(list) > maxModels {
		problems = append(problems, fmt.Errorf("%d models: want at most %d", len(list), maxModels))
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	*l = list
	return nil
}

// Bytes is a size in bytes.
type Bytes int64

var byteUnits = []struct {
	name string // lower case; a longer name before one that it ends with
	size int64
}{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30},
	{"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"b", 1}, {"", 1},
}

// EnvDecode reads a whole number of bytes, or one with a unit: KiB, MiB, GiB
// (powers of 1024), kB, MB, GB (powers of 1000) or B, in any case.
func (b *Bytes) EnvDecode(text string) error {
	wrong := fmt.Errorf("%s: want bytes or a size with its unit, such as 33554432 or 32MiB", quoted(text))
	lower := strings.ToLower(strings.TrimSpace(text))
	for _, unit := range byteUnits {
		digits, ok := strings.CutSuffix(lower, unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/unit.size {
			return wrong
		}
		*b = Bytes(n * unit.size)
		return nil
	}
	return wrong
}

// String returns the size in the largest binary unit that divides it, such as
// "32MiB".
func (b Bytes) String() string {
	for _, unit := range []struct {
		name string
		size Bytes
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if b != 0 && b%unit.size == 0 {
			return fmt.Sprintf("%d%s", b/unit.size, unit.name)
		}
	}
	return fmt.Sprintf("%dB", int64(b))
}
