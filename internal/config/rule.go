package config

import (
	"regexp"
	"sync"
)

// rule returns an expression that is compiled when it is first asked for. Those that count to
// hundreds take half a megabyte and a millisecond together, which every cold start would wait
// for, and most settings have none of what they are about.
func rule(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}
