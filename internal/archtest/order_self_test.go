package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// typeCheck checks one package without imports, given by the names and texts of its files.
func typeCheck(t *testing.T, files map[string]string) typed {
	t.Helper()
	p := typed{fset: token.NewFileSet(), info: &types.Info{Uses: map[*ast.Ident]types.Object{}}}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f, err := parser.ParseFile(p.fset, name, files[name], parser.SkipObjectResolution)
		require.NoError(t, err)
		p.syntax = append(p.syntax, f)
	}
	var err error
	p.pkg, err = new(types.Config).Check("p", p.fset, p.syntax, p.info)
	require.NoError(t, err)
	return p
}

// listing is a doc.go that lists files from the top down.
func listing(names ...string) string {
	var b strings.Builder
	b.WriteString("// Package p is made up.\n//\n// " + orderHeading + "\n//\n")
	for _, name := range names {
		b.WriteString("//   - " + name + ": what it holds\n")
	}
	b.WriteString("package p\n")
	return b.String()
}

func TestCallsAreFound(t *testing.T) {
	for name, c := range map[string]struct {
		a, b string
		want []call
	}{
		"a function":      {"func F() { G() }", "func G() {}", []call{{"F", "G", "a.go", "b.go"}}},
		"twice":           {"func F() { G(); G() }", "func G() {}", []call{{"F", "G", "a.go", "b.go"}}},
		"both ways":       {"func F() { G() }", "func G() { F() }", []call{{"F", "G", "a.go", "b.go"}, {"G", "F", "b.go", "a.go"}}},
		"as a value":      {"func F() func() { return G }", "func G() {}", []call{{"F", "G", "a.go", "b.go"}}},
		"by a method":     {"func (t *T) F() { G() }", "type T int; func G() {}", []call{{"T.F", "G", "a.go", "b.go"}}},
		"a method":        {"func F(t T) { t.G() }", "type T int; func (*T) G() {}", []call{{"F", "T.G", "a.go", "b.go"}}},
		"in a literal":    {"func F() { func() { G() }() }", "func G() {}", []call{{"F", "G", "a.go", "b.go"}}},
		"by a variable":   {"var x, y = 1, G()", "func G() int { return 1 }", []call{{"var x", "G", "a.go", "b.go"}}},
		"of a type":       {"func F(t U[int]) { t.G() }", "type U[X any] struct{}; func (U[X]) G() {}", []call{{"F", "U.G", "a.go", "b.go"}}},
		"a promoted one":  {"func F(t V) { t.G() }", "type V struct{ T }; type T int; func (T) G() {}", []call{{"F", "T.G", "a.go", "b.go"}}},
		"an interface's":  {"func F(i I) { i.G() }", "type I interface{ G() }; type T int; func (T) G() {}", nil},
		"the same name":   {"func F() { G := func() {}; G() }", "func G() {}", nil},
		"its own file":    {"func F() { H() }; func H() {}", "func G() {}", nil},
		"a type, a const": {"func F() T { return c }", "type T int; const c T = 1", nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := typeCheck(t, map[string]string{"a.go": "package p\n" + c.a, "b.go": "package p\n" + c.b})
			assert.Equal(t, c.want, p.calls())
		})
	}
}

func TestOrderRuleBites(t *testing.T) {
	// a.go has n functions that b.go declares one for, and what b.go calls of a.go is back.
	files := func(n int, back string) map[string]string {
		a, b := "package p\n", "package p\nfunc back() { "+back+" }\n"
		for i := range n {
			name := strings.Repeat("x", i+1)
			a += "func A" + name + "() { B" + name + "() }\n"
			b += "func B" + name + "() {}\n"
		}
		return map[string]string{"a.go": a, "b.go": b}
	}
	for name, c := range map[string]struct {
		files map[string]string
		order []string
		want  []string // parts of the lines
	}{
		"all downwards":                {files(3, ""), []string{"a.go", "b.go"}, nil},
		"one of eleven runs backwards": {files(10, "Ax()"), []string{"a.go", "b.go"}, nil},
		"one of ten runs backwards": {files(9, "Ax()"), []string{"a.go", "b.go"}, []string{
			"p: back in b.go calls Ax in a.go, which stands above it (1 of 10 calls between files run backwards)",
		}},
		"two of eleven": {files(9, "Ax(); Axx()"), []string{"a.go", "b.go"}, []string{"back in b.go calls Ax in", "back in b.go calls Axx in"}},
		"the other way": {files(1, ""), []string{"b.go", "a.go"}, []string{"Ax in a.go calls Bx in b.go"}},
	} {
		t.Run(name, func(t *testing.T) {
			all := map[string]string{"p/doc.go": listing(c.order...)}
			for name, text := range c.files {
				all["p/"+name] = text
			}
			bad := checkOrder(write(t, all), map[string]typed{"p": typeCheck(t, c.files)})["p"]
			require.Len(t, bad, len(c.want))
			for i, want := range c.want {
				assert.Contains(t, bad[i], want)
			}
		})
	}
}

func TestListRuleBites(t *testing.T) {
	for name, c := range map[string]struct {
		doc  string
		want string
	}{
		"all":              {listing("a.go", "b_linux.go"), ""},
		"none":             {"// Package p is made up.\npackage p\n", "p/doc.go lists no files"},
		"no comment":       {"package p\n", "p/doc.go lists no files"},
		"nothing below":    {"// " + orderHeading + "\npackage p\n", "p/doc.go lists no files"},
		"other words":      {strings.Replace(listing("a.go", "b_linux.go"), "a file calls", "each calls", 1), "p/doc.go lists no files"},
		"text in between":  {strings.Replace(listing("a.go", "b_linux.go"), "//   -", "// Text.\n//\n//   -", 1), "p/doc.go lists no files"},
		"text after it":    {strings.Replace(listing("a.go", "b_linux.go"), "package p\n", "//\n// Text.\npackage p\n", 1), ""},
		"one is missing":   {listing("a.go"), "p/doc.go doesn't list b_linux.go"},
		"one too many":     {listing("a.go", "b_linux.go", "c.go"), "p/doc.go lists c.go, which is none"},
		"a test":           {listing("a.go", "b_linux.go", "a_test.go"), "p/doc.go lists a_test.go, which is none"},
		"one twice":        {listing("a.go", "b_linux.go", "a.go"), "p/doc.go lists a.go twice"},
		"wrapped":          {strings.Replace(listing("a.go", "b_linux.go"), "what it", "what\n//     it", 1), ""},
		"without contents": {strings.Replace(listing("b_linux.go", "a.go"), "a.go: what it holds", "a.go:", 1), "lists a.go without what it holds"},
	} {
		t.Run(name, func(t *testing.T) {
			files := write(t, map[string]string{
				"p/doc.go": c.doc, "p/a.go": "package p\n", "p/a_test.go": "package p\n",
				"p/b_linux.go": "//go:build linux\n\npackage p\n",
			})
			_, bad := fileOrder("p", files["p"])
			if c.want == "" {
				assert.Empty(t, bad)
				return
			}
			require.NotEmpty(t, bad)
			assert.Contains(t, bad[0], c.want)
		})
	}

	one := write(t, map[string]string{"p/doc.go": "// Package p is made up.\npackage p\n", "p/a.go": "package p\n"})
	_, bad := fileOrder("p", one["p"])
	assert.Empty(t, bad, "one file besides doc.go needs no list")
}

func TestSizeRuleBites(t *testing.T) {
	lines := func(n int) string { return "package p\n" + strings.Repeat("\n", n-1) }
	files := write(t, map[string]string{
		"large/a.go": lines(60), "large/b.go": lines(41), "just/a.go": lines(60), "just/b.go": lines(40), "just/a_test.go": lines(90),
		"large/sub/a.go": lines(40), "sim/a.go": lines(200), "sim/sub/a.go": lines(200),
	})
	assert.Equal(t, map[string][]string{"large": {"large has 101 lines, more than 100"}}, checkSize(files, 100, []string{"sim"}))
}

func TestCommentRuleBites(t *testing.T) {
	const commented, bare = "// Package p is made up.\npackage p\n", "package p\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"doc.go":          {map[string]string{"p/doc.go": commented, "p/a.go": bare}, ""},
		"the only file":   {map[string]string{"p/a.go": commented, "p/a_test.go": bare}, "p/a.go has a package comment, which belongs"},
		"none":            {map[string]string{"p/a.go": bare}, "p has no package comment"},
		"a blank between": {map[string]string{"p/a.go": "// Package p is made up.\n\npackage p\n"}, "p has no package comment"},
		"a test's":        {map[string]string{"p/a.go": bare, "p/a_test.go": commented}, "p has no package comment"},
		"elsewhere":       {map[string]string{"p/a.go": commented, "p/b.go": bare}, "p/a.go has a package comment, which belongs"},
		"two":             {map[string]string{"p/doc.go": commented, "p/b.go": commented}, "p/b.go has a package comment, which belongs"},
		"tests alone":     {map[string]string{"p/a_test.go": bare}, "p has no package comment"},
	} {
		t.Run(name, func(t *testing.T) { assertBad(t, c.want, checkComments(write(t, c.files))["p"]) })
	}
	assert.Empty(t, checkComments(write(t, map[string]string{"function.go": commented})), "the root's only file")
}

func TestExceptionsAreNeeded(t *testing.T) {
	bad := map[string][]string{"a": {"a is wrong"}, "b": {"b is wrong", "b is odd"}, "c": nil}
	assert.Equal(t, []string{"a is wrong", "b is odd", "b is wrong"}, unexcused(bad, nil))
	assert.Equal(t, []string{"b is odd", "b is wrong"}, unexcused(bad, []string{"a"}))
	assert.Equal(t, []string{"c is an exception without need", "d is an exception without need"},
		unexcused(bad, []string{"a", "b", "c", "d"}))
}
