package licenses

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A Module is one that a program is linked with, and what it is licensed under.
type Module struct {
	Path, Version string
	Name          string // as SPDX has it; empty: not known
	Text          string // of its file
}

// names are licences by what their texts say and others don't.
var names = []struct {
	name string
	says *regexp.Regexp
}{
	{"Apache-2.0", regexp.MustCompile(`Apache License Version 2\.0`)},
	{"MPL-2.0", regexp.MustCompile(`Mozilla Public License,? [Vv]ersion 2\.0`)},
	{"BSD-3-Clause", regexp.MustCompile(`Redistribution and use in source and binary forms.*(Neither the name|nor the names of)`)},
	{"BSD-2-Clause", regexp.MustCompile(`Redistribution and use in source and binary forms`)},
	{"MIT", regexp.MustCompile(`Permission is hereby granted, free of charge, to any person obtaining a copy`)},
	{"ISC", regexp.MustCompile(`Permission to use, copy, modify, and/?o?r? distribute this software for any purpose`)},
}

// Of returns the modules that a package of the repository at dir is linked with on
// Linux, by path, without the repository's own.
func Of(ctx context.Context, dir, pkg string) ([]Module, error) {
	const format = `{{with .Module}}{{if not .Main}}{{.Path}}{{"\t"}}{{.Version}}{{"\t"}}{{.Dir}}{{end}}{{end}}`
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-f", format, pkg)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOFLAGS=", "GOWORK=off")
	var problem bytes.Buffer
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list modules: %w: %s", err, &problem)
	}
	var all []Module
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	slices.Sort(lines)
	for _, line := range slices.Compact(lines) {
		fields := strings.Split(line, "\t")
		if len(fields) != 3 {
			continue // the standard library, or our own
		}
		text, err := find(fields[2])
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", fields[0], fields[1], err)
		}
		all = append(all, Module{fields[0], fields[1], nameOf(text), text})
	}
	return all, nil
}

// find returns the text of a module's licence.
func find(dir string) (string, error) {
	for _, pattern := range []string{"LICENSE*", "LICENCE*", "License*", "license*", "COPYING*"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return "", err
		}
		for _, name := range files {
			if text, err := os.ReadFile(name); err == nil {
				return string(text), nil
			}
		}
	}
	return "", errors.New("no licence is found")
}

func nameOf(text string) string {
	text = strings.Join(strings.Fields(text), " ") // lines are broken anywhere
	for _, l := range names {
		if l.says.MatchString(text) {
			return l.name
		}
	}
	return ""
}

// Notice is the text that goes with a program: each module, and its licence in full.
func Notice(all []Module) []byte {
	var b bytes.Buffer
	b.WriteString("This program is linked with the following modules.\n")
	for _, m := range all {
		fmt.Fprintf(&b, "\n%s\n%s %s (%s)\n\n%s\n", strings.Repeat("=", 80), m.Path, m.Version, m.Name, strings.TrimSpace(m.Text))
	}
	return b.Bytes()
}
