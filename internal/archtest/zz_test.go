package archtest

import (
	"fmt"
	"go/types"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func keyOf(o types.Object) string {
	if o == nil || o.Pkg() == nil {
		return ""
	}
	dir, ok := ours(o.Pkg().Path())
	if !ok {
		return ""
	}
	if fn, ok := o.(*types.Func); ok {
		return dir + " " + functionName(fn.Origin())
	}
	if v, ok := o.(*types.Var); ok && v.IsField() {
		return ""
	}
	if o.Parent() != o.Pkg().Scope() {
		return ""
	}
	return dir + " " + o.Name()
}

func TestZZ(t *testing.T) {
	all, err := readTypes(root)
	require.NoError(t, err)
	used := map[string]bool{}
	fieldsUsed := map[string]bool{}
	for _, p := range all {
		for _, o := range p.info.Uses {
			used[keyOf(o)] = true
			if v, ok := o.(*types.Var); ok && v.IsField() && v.Pkg() != nil {
				fieldsUsed[p.fset.Position(v.Pos()).String()] = true
			}
		}
	}
	// names of interface methods
	var bad []string
	for dir, p := range all {
		scope := p.pkg.Scope()
		for _, n := range scope.Names() {
			o := scope.Lookup(n)
			if o.Exported() && !used[keyOf(o)] {
				bad = append(bad, keyOf(o))
			}
			tn, ok := o.(*types.TypeName)
			if !ok {
				continue
			}
			named, ok := tn.Type().(*types.Named)
			if !ok {
				continue
			}
			for i := range named.NumMethods() {
				m := named.Method(i)
				if m.Exported() && !used[keyOf(m)] {
					bad = append(bad, keyOf(m)+"()")
				}
			}
		}
		_ = dir
	}
	slices.Sort(bad)
	fmt.Println(strings.Join(bad, "\n"))
}
