package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// module is the path of the module, and of its root package.
const module = "fluxgate.dev/fluxgate"

// file is one Go file. All files are read, whatever their build constraints.
type file struct {
	path    string // relative to the root, with slashes
	pkg     string // as in its package clause
	imports []string
	lines   int
	syntax  *ast.File
}

func (f file) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

// tree is a module's Go files by directory. The root's is ".".
type tree map[string][]file

// readTree parses the module at root, without what the go command ignores as well.
func readTree(root string) (tree, error) {
	t := tree{}
	fset := token.NewFileSet()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		hidden := strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")
		if d.IsDir() {
			if name != root && (hidden || base == "testdata" || base == "vendor" || base == "node_modules") {
				return fs.SkipDir
			}
			return nil
		}
		if hidden || !strings.HasSuffix(base, ".go") {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		syntax, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		f := file{
			path:   filepath.ToSlash(rel),
			pkg:    syntax.Name.Name,
			lines:  strings.Count(string(text), "\n"),
			syntax: syntax,
		}
		for _, spec := range syntax.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			f.imports = append(f.imports, imported)
		}
		dir := path.Dir(f.path)
		t[dir] = append(t[dir], f)
		return nil
	})
	return t, err
}

// ours returns the directory that an import names, if it is in this module.
func ours(imported string) (dir string, ok bool) {
	if imported == module {
		return ".", true
	}
	return strings.CutPrefix(imported, module+"/")
}

// within reports whether dir is one of parents or below it. "." means the root alone.
func within(dir string, parents ...string) bool {
	return slices.ContainsFunc(parents, func(p string) bool {
		return dir == p || (p != "." && strings.HasPrefix(dir, p+"/"))
	})
}

// chains returns, for every package of ours that dir's code (not its tests) imports directly or indirectly, the shortest
// chain of directories from dir to it.
func (t tree) chains(dir string) map[string][]string {
	found := map[string][]string{dir: {dir}}
	queue := []string{dir}
	for len(queue) > 0 {
		from := queue[0]
		queue = queue[1:]
		for _, f := range t[from] {
			if f.isTest() {
				continue
			}
			for _, imported := range f.imports {
				to, ok := ours(imported)
				if _, seen := found[to]; !ok || seen {
					continue
				}
				found[to] = append(slices.Clone(found[from]), to)
				queue = append(queue, to)
			}
		}
	}
	delete(found, dir)
	return found
}
