package archtest

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
)

// importRule binds the code, not the tests, of the packages at and below dir.
type importRule struct {
	dir string
	// never may not be imported, directly or indirectly.
	never []string
	// only, if not nil, is what may be imported of this module besides dir itself, directly or indirectly.
	only []string
	// standard allows nothing but the standard library and dir itself, and of that nothing in notStandard.
	standard    bool
	notStandard []string
	why         string
}

// checkImports returns a line for every violation.
func checkImports(t tree, rules []importRule) (bad []string) {
	for _, r := range rules {
		for dir := range t {
			if !within(dir, r.dir) {
				continue
			}
			for to, chain := range t.chains(dir) {
				if within(to, r.dir) {
					continue
				}
				if within(to, r.never...) || (r.only != nil && !within(to, r.only...)) {
					bad = append(bad, fmt.Sprintf("%s must not import %s (%s): %s",
						dir, to, strings.Join(chain, " imports "), r.why))
				}
			}
			if r.standard {
				bad = append(bad, checkStandard(t[dir], r)...)
			}
		}
	}
	slices.Sort(bad)
	return bad
}

func checkStandard(files []file, r importRule) (bad []string) {
	for _, f := range files {
		if f.isTest() {
			continue
		}
		for _, imported := range f.imports {
			if dir, ok := ours(imported); ok && within(dir, r.dir) {
				continue
			}
			// The first element of a path outside the standard library has a dot, as that of a domain.
			first, _, _ := strings.Cut(imported, "/")
			if strings.Contains(first, ".") || imported == "C" || within(imported, r.notStandard...) {
				bad = append(bad, fmt.Sprintf("%s must not import %s: %s", f.path, imported, r.why))
			}
		}
	}
	return bad
}

// checkImporters returns a line for every file that imports a package of importable, or below one, without being in
// one of the directories named for it. With tests, every test may import it.
func checkImporters(t tree, importable map[string][]string, tests bool) (bad []string) {
	for dir, files := range t {
		for _, f := range files {
			for _, imported := range f.imports {
				to, ok := ours(imported)
				if !ok {
					to = imported
				}
				for target, allowed := range importable {
					if !within(to, target) || within(dir, target) || within(dir, allowed...) || (tests && f.isTest()) {
						continue
					}
					bad = append(bad, fmt.Sprintf("%s must not import %s", f.path, imported))
				}
			}
		}
	}
	slices.Sort(bad)
	return bad
}

// clock is what reads or waits for the machine's clock in package time.
var clock = []string{"Now", "Since", "Until", "After", "AfterFunc", "Sleep", "Tick", "NewTimer", "NewTicker"}

// sleeps is what waits for an instant. AfterFunc cuts what takes too long, and nobody waits for it.
var sleeps = []string{"After", "Sleep", "Tick", "NewTimer", "NewTicker"}

// checkNoClock returns a line for every use, called or not, of clock in the code at and below dir.
func checkNoClock(t tree, dir string) (bad []string) {
	return checkNoTime(t, dir, clock, "the instant is an argument")
}

// checkNoSleep is checkNoClock for what waits.
func checkNoSleep(t tree, dir string) (bad []string) {
	return checkNoTime(t, dir, sleeps, "a wait is answered, and who waits is on the caller's side")
}

func checkNoTime(t tree, dir string, names []string, why string) (bad []string) {
	for d, files := range t {
		if !within(d, dir) {
			continue
		}
		for _, f := range files {
			if f.isTest() {
				continue
			}
			name := importName(f, "time")
			if name == "." {
				bad = append(bad, f.path+" imports time with a dot, which hides what it uses")
			}
			ast.Inspect(f.syntax, func(n ast.Node) bool {
				sel, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if x, ok := sel.X.(*ast.Ident); ok && name != "" && x.Name == name && slices.Contains(names, sel.Sel.Name) {
					bad = append(bad, fmt.Sprintf("%s uses time.%s: %s", f.path, sel.Sel.Name, why))
				}
				return true
			})
		}
	}
	slices.Sort(bad)
	return bad
}

// importName returns the name by which f refers to an import, or "" if it doesn't import it.
func importName(f file, imported string) string {
	for i, p := range f.imports {
		if p != imported {
			continue
		}
		if name := f.syntax.Imports[i].Name; name != nil {
			return name.Name
		}
		return path.Base(p)
	}
	return ""
}

// checkLength returns a line for every file of code that is longer than limit lines.
func checkLength(t tree, limit int) (bad []string) {
	for _, files := range t {
		for _, f := range files {
			if !f.isTest() && f.lines > limit {
				bad = append(bad, fmt.Sprintf("%s has %d lines, more than %d", f.path, f.lines, limit))
			}
		}
	}
	slices.Sort(bad)
	return bad
}

// checkRoot returns a line for everything wrong with the root's Go files. The buildpack parses all of them and fails on
// a second package, which a file of tests would be.
func checkRoot(t tree, name, pkg string) (bad []string) {
	for _, f := range t["."] {
		if f.path != name {
			bad = append(bad, fmt.Sprintf("%s: the only Go file at the root is %s", f.path, name))
		}
		if f.pkg != pkg {
			bad = append(bad, fmt.Sprintf("%s is of package %s, not %s", f.path, f.pkg, pkg))
		}
	}
	return bad
}

// checkTopLevel returns a line for every top-level entry among the paths, which have slashes, that isn't allowed. Names
// that begin with a dot are.
func checkTopLevel(paths, allowed []string) (bad []string) {
	for _, p := range paths {
		entry, _, _ := strings.Cut(p, "/")
		if strings.HasPrefix(entry, ".") || slices.Contains(allowed, entry) {
			continue
		}
		if line := entry + " doesn't belong at the top level"; !slices.Contains(bad, line) {
			bad = append(bad, line)
		}
	}
	return bad
}
