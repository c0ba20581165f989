package config

import (
	"errors"
	"fmt"
	"strconv"
)

// inVariable puts the variable's name before each of the errors joined in err.
func inVariable(name string, err error) []error {
	var all []error
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			all = append(all, fmt.Errorf("%s: %w", name, e))
		}
		return all
	}
	return append(all, fmt.Errorf("%s: %w", name, err))
}

// quoted returns a value for an error message: quoted, and cut when long, so
// that a file pasted into a variable doesn't fill the log.
func quoted(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return strconv.Quote(s)
}

// flat joins errors, those that are themselves joined one by one.
func flat(errs ...error) error {
	var all []error
	for _, err := range errs {
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			all = append(all, joined.Unwrap()...)
			continue
		}
		all = append(all, err)
	}
	return errors.Join(all...)
}
