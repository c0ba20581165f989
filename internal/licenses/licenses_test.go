package licenses

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// allowed are the licences whose terms a program keeps that is passed on with their
// texts. MPL-2.0 asks besides that changed files be published, and none is changed.
var allowed = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0"}

// Everything that the programs are linked with may be passed on with them.
func TestAllowed(t *testing.T) {
	for _, pkg := range []string{"./cmd/fluxgate", "."} {
		all, err := Of(t.Context(), "../..", pkg)
		require.NoError(t, err)
		require.Greater(t, len(all), 20, pkg)
		for _, m := range all {
			assert.True(t, slices.Contains(allowed, m.Name), "%s %s is under %q", m.Path, m.Version, m.Name)
			assert.Contains(t, string(Notice(all)), m.Path+" "+m.Version+" ("+m.Name+")")
		}
	}
}

func TestNames(t *testing.T) {
	for text, want := range map[string]string{
		"Apache License\n                           Version 2.0, January 2004":                                          "Apache-2.0",
		"Mozilla Public License Version 2.0":                                                                            "MPL-2.0",
		"Redistribution and use in source and binary forms, with\nNeither the name of Google":                           "BSD-3-Clause",
		"Redistribution and use in source and binary forms, with or without":                                            "BSD-2-Clause",
		"Permission is hereby granted, free of charge, to any person obtaining a copy":                                  "MIT",
		"Permission to use, copy, modify, and distribute this software for any\npurpose with or without fee is granted": "ISC",
		"GNU AFFERO GENERAL PUBLIC LICENSE":                                                                             "",
		"All rights reserved.":                                                                                          "",
	} {
		assert.Equal(t, want, nameOf(text), text)
	}
}
