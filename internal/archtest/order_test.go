package archtest

import (
	"errors"
	"fmt"
	"go/ast"
	"go/doc/comment"
	"go/token"
	"go/types"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// orderHeading stands in a package comment above the list of the package's files.
const orderHeading = "Files, from the top down; a file calls only those below it:"

// call says that a function refers to another one of its package that is declared in another file, by calling it or as
// a value. However often it does, that is one call: a helper that is used in each line of a function weighs no more than
// one that is used once.
type call struct {
	from, to         string // the functions; "var x" for what a package's variable is set to
	fromFile, toFile string // without directories
}

// typed is a package's code with what its identifiers refer to.
type typed struct {
	fset   *token.FileSet
	syntax []*ast.File
	pkg    *types.Package
	info   *types.Info
}

// readTypes type-checks the code, not the tests, of the module at root, as it is built on this platform. A file that is
// left out there is in its package's list of files, but the calls in it aren't counted. What the packages import is
// read from the compiler's export data, so this is fast where the module has been built.
func readTypes(root string) (map[string]typed, error) {
	loaded, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports |
			packages.NeedExportFile | packages.NeedTypes | packages.NeedSyntax | packages.NeedTypesInfo,
		Dir: filepath.FromSlash(root),
	}, "./...")
	if err != nil {
		return nil, err
	}
	all := map[string]typed{}
	for _, p := range loaded {
		for _, e := range p.Errors {
			err = errors.Join(err, e)
		}
		if dir, ok := ours(p.PkgPath); ok {
			all[dir] = typed{fset: p.Fset, syntax: p.Syntax, pkg: p.Types, info: p.TypesInfo}
		}
	}
	return all, err
}

// calls returns the package's calls between files. A call through an interface is none: it leads to no file.
func (p typed) calls() []call {
	var found []call
	for _, f := range p.syntax {
		fromFile := p.file(f.Package)
		for _, decl := range f.Decls {
			for from, node := range bodies(decl) {
				ast.Inspect(node, func(n ast.Node) bool {
					id, ok := n.(*ast.Ident)
					if !ok {
						return true
					}
					fn, ok := p.info.Uses[id].(*types.Func)
					if !ok || fn.Pkg() != p.pkg {
						return true
					}
					fn = fn.Origin()
					if recv := fn.Signature().Recv(); recv != nil && types.IsInterface(recv.Type()) {
						return true
					}
					c := call{from: from, to: functionName(fn), fromFile: fromFile, toFile: p.file(fn.Pos())}
					if c.fromFile != c.toFile && !slices.Contains(found, c) {
						found = append(found, c)
					}
					return true
				})
			}
		}
	}
	return found
}

func (p typed) file(pos token.Pos) string { return filepath.Base(p.fset.Position(pos).Filename) }

// bodies yields what is run of a declaration, each with the name of its function or variable.
func bodies(decl ast.Decl) func(yield func(string, ast.Node) bool) {
	return func(yield func(string, ast.Node) bool) {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			name := d.Name.Name
			if d.Recv != nil {
				name = receiverName(d.Recv.List[0].Type) + "." + name
			}
			if d.Body != nil {
				yield(name, d.Body)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				v, ok := spec.(*ast.ValueSpec)
				if !ok {
					continue
				}
				for _, value := range v.Values {
					if !yield("var "+v.Names[0].Name, value) {
						return
					}
				}
			}
		}
	}
}

// receiverName returns the name of the type that a method belongs to.
func receiverName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiverName(e.X)
	case *ast.IndexExpr:
		return receiverName(e.X)
	case *ast.IndexListExpr:
		return receiverName(e.X)
	case *ast.Ident:
		return e.Name
	default:
		return types.ExprString(e)
	}
}

func functionName(fn *types.Func) string {
	recv := fn.Signature().Recv()
	if recv == nil {
		return fn.Name()
	}
	t := recv.Type()
	if p, ok := t.(*types.Pointer); ok {
		t = p.Elem()
	}
	if named, ok := t.(*types.Named); ok {
		return named.Obj().Name() + "." + fn.Name()
	}
	return fn.Name()
}

// fileOrder returns the names of a package's files as its doc.go lists them, and a line for everything wrong with the
// list. A package needs none that has no more than one file besides doc.go.
func fileOrder(dir string, files []file) (order, bad []string) {
	var names []string
	var text string
	for _, f := range files {
		switch name := path.Base(f.path); {
		case f.isTest():
		case name == "doc.go":
			text = f.syntax.Doc.Text()
		default:
			names = append(names, name)
		}
	}
	order, found := listedFiles(text)
	if !found {
		if len(names) > 1 {
			bad = append(bad, fmt.Sprintf("%s/doc.go lists no files below the words %q", dir, orderHeading))
		}
		return nil, bad
	}
	for i, name := range order {
		if slices.Contains(order[:i], name) {
			bad = append(bad, fmt.Sprintf("%s/doc.go lists %s twice", dir, name))
		}
		if !slices.Contains(names, name) {
			bad = append(bad, fmt.Sprintf("%s/doc.go lists %s, which is none of the package's files", dir, name))
		}
	}
	for _, name := range names {
		if !slices.Contains(order, name) {
			bad = append(bad, fmt.Sprintf("%s/doc.go doesn't list %s", dir, name))
		}
	}
	return order, bad
}

// listedFiles returns the names in the list that follows orderHeading in a package comment. Each item is a name, a
// colon and what the file holds; an item of another form counts as a name and is found to be no file.
func listedFiles(text string) (names []string, found bool) {
	blocks := new(comment.Parser).Parse(text).Content
	for i, b := range blocks[:max(0, len(blocks)-1)] {
		p, ok := b.(*comment.Paragraph)
		if !ok || plain(p.Text) != orderHeading {
			continue
		}
		list, ok := blocks[i+1].(*comment.List)
		if !ok {
			continue
		}
		for _, item := range list.Items {
			p, ok := item.Content[0].(*comment.Paragraph)
			if !ok {
				continue
			}
			name, holds, _ := strings.Cut(plain(p.Text), ":")
			if strings.TrimSpace(holds) == "" {
				name += " without what it holds"
			}
			names = append(names, name)
		}
		return names, true
	}
	return nil, false
}

// plain returns a comment's text without the rest of it.
func plain(text []comment.Text) string {
	var b strings.Builder
	for _, t := range text {
		switch t := t.(type) {
		case comment.Plain:
			b.WriteString(string(t))
		case comment.Italic:
			b.WriteString(string(t))
		case *comment.DocLink:
			b.WriteString(plain(t.Text))
		case *comment.Link:
			b.WriteString(plain(t.Text))
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// backwards returns those calls that lead upwards in an order of files.
func backwards(calls []call, order []string) (found []call) {
	for _, c := range calls {
		if slices.Index(order, c.toFile) < slices.Index(order, c.fromFile) {
			found = append(found, c)
		}
	}
	return found
}

// checkOrder returns, by directory, a line for everything wrong with a package's list of files, and one for every call
// that runs backwards where those are a tenth or more of the calls between files. With ten of them or fewer, that allows
// none.
func checkOrder(t tree, checked map[string]typed) map[string][]string {
	bad := map[string][]string{}
	for dir, files := range t {
		order, wrong := fileOrder(dir, files)
		bad[dir] = wrong
		if order == nil || len(wrong) > 0 {
			continue
		}
		p, ok := checked[dir]
		if !ok {
			bad[dir] = append(bad[dir], dir+" isn't built on this platform, so its calls are unknown")
			continue
		}
		calls := p.calls()
		found := backwards(calls, order)
		if 10*len(found) < len(calls) {
			continue
		}
		for _, c := range found {
			bad[dir] = append(bad[dir], fmt.Sprintf("%s: %s in %s calls %s in %s, which stands above it (%d of %d calls between files run backwards)",
				dir, c.from, c.fromFile, c.to, c.toFile, len(found), len(calls)))
		}
	}
	return bad
}

// checkSize returns, by directory, a line for every package whose code has more than limit lines, without those at and
// below the directories of except.
func checkSize(t tree, limit int, except []string) map[string][]string {
	bad := map[string][]string{}
	for dir, files := range t {
		if within(dir, except...) {
			continue
		}
		lines := 0
		for _, f := range files {
			if !f.isTest() {
				lines += f.lines
			}
		}
		if lines > limit {
			bad[dir] = append(bad[dir], fmt.Sprintf("%s has %d lines, more than %d", dir, lines, limit))
		}
	}
	return bad
}

// checkComments returns, by directory, a line for every package without a package comment, and for every one that
// stands elsewhere than in doc.go. At the root there is function.go alone, for the buildpack reads every file there.
func checkComments(t tree) map[string][]string {
	bad := map[string][]string{}
	for dir, files := range t {
		code := slices.DeleteFunc(slices.Clone(files), file.isTest)
		commented := false
		for _, f := range code {
			if f.syntax.Doc == nil {
				continue
			}
			commented = true
			if dir != "." && path.Base(f.path) != "doc.go" {
				bad[dir] = append(bad[dir], f.path+" has a package comment, which belongs into doc.go")
			}
		}
		if !commented {
			bad[dir] = append(bad[dir], dir+" has no package comment")
		}
	}
	return bad
}

// unexcused returns the lines of all directories but those excused, in order, and a line for every one that is excused
// without need.
func unexcused(bad map[string][]string, excused []string) (left []string) {
	for dir, lines := range bad {
		if !slices.Contains(excused, dir) {
			left = append(left, lines...)
		}
	}
	for _, dir := range excused {
		if len(bad[dir]) == 0 {
			left = append(left, dir+" is an exception without need")
		}
	}
	slices.Sort(left)
	return left
}
