package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/race"
)

// checkedOnce type-checks the repository once for all tests: none changes it.
var checkedOnce = sync.OnceValues(func() (map[string]typed, error) { return readTypes(root) })

// forTests lists the packages that are there to be used by tests, among others.
var forTests = []string{
	"internal/geminisim", "internal/openaisim", "internal/anthropicsim", "internal/simserver", "internal/simquota", "internal/inmemory",
}

// onlyTests lists exported names that tests alone use, and why they stay.
var onlyTests = map[string]string{
	"internal/bodies Budget.Held": "whoever holds bodies is tested to give them back, in other packages",
	"scheduler OfLease":           "calendars can hold leases, which nobody takes yet",
	"storage/gcpfirestore New":    "for whoever has a client of its own, as the tests have",
	"scheduler Burst":             "the type of a field of Spec",
}

// byReflection are methods that libraries ask for by their names.
var byReflection = []string{"EnvDecode", "Format", "GoString", "Hijack", "LogValue", "As", "Is", "Unwrap", "MarshalJSON", "UnmarshalJSON", "MarshalText", "UnmarshalText"}

// unused returns what the packages export and no code of the module uses, tests aside, by directory and name. A method
// counts as used if an interface has one of its name, and a constant of a type of ours always does: it says what there is.
func unused(checked map[string]typed) (names []string) {
	uses, methods := map[string]bool{}, map[string]bool{}
	for _, name := range byReflection {
		methods[name] = true
	}
	asked := func(t types.Type) {
		if i, ok := t.Underlying().(*types.Interface); ok {
			for m := range i.Methods() {
				methods[m.Name()] = true
			}
		}
	}
	for _, p := range checked {
		for _, o := range p.info.Uses {
			uses[objectName(o)] = true
			if fn, ok := o.(*types.Func); ok {
				for v := range fn.Signature().Params().Variables() {
					asked(v.Type())
				}
			}
		}
		for _, tv := range p.info.Types {
			asked(tv.Type)
		}
	}
	for dir, p := range checked {
		if dir == "." || strings.HasPrefix(dir, "cmd/") || within(dir, forTests...) || within(dir, slices.Collect(maps.Keys(testOnly))...) {
			continue
		}
		for _, name := range p.pkg.Scope().Names() {
			o := p.pkg.Scope().Lookup(name)
			if o.Exported() && !uses[objectName(o)] && !enumerated(o) {
				names = append(names, objectName(o))
			}
			if t, ok := o.(*types.TypeName); ok && !t.IsAlias() {
				if named, ok := t.Type().(*types.Named); ok {
					for m := range named.Methods() {
						if m.Exported() && !uses[objectName(m)] && !methods[m.Name()] {
							names = append(names, objectName(m))
						}
					}
				}
			}
		}
	}
	slices.Sort(names)
	return names
}

// enumerated reports whether an object is a constant of a named type.
func enumerated(o types.Object) bool {
	c, ok := o.(*types.Const)
	if !ok {
		return false
	}
	named, ok := c.Type().(*types.Named)
	return ok && named.Obj().Pkg() != nil
}

// objectName returns the directory and name of an object of a package, or "".
func objectName(o types.Object) string {
	if o == nil || o.Pkg() == nil {
		return ""
	}
	dir, ok := ours(o.Pkg().Path())
	if fn, is := o.(*types.Func); is && ok {
		return dir + " " + functionName(fn.Origin())
	}
	if !ok || o.Parent() != o.Pkg().Scope() {
		return ""
	}
	return dir + " " + o.Name()
}

// Nothing is exported for the sake of a test.
func TestExportedNamesAreUsed(t *testing.T) {
	race.Skip(t)
	checked, err := checkedOnce()
	require.NoError(t, err)
	found := unused(checked)
	for _, name := range found {
		assert.Contains(t, onlyTests, name, "no code but tests uses it")
	}
	for name := range onlyTests {
		assert.Contains(t, found, name, "an exception without need")
	}
}

func TestExportedRuleBites(t *testing.T) {
	const source = `package p

type T struct{}

func (T) Used()          {}
func (T) Unused()        {}
func (T) String() string { return "" }
func (T) As(any) bool    { return true }

type S interface{ String() string }

type E int

const (
	One E = 1
	Two   = 2
)

func F() { T{}.Used() }

func G() { F() }

var _ S = T{}
`
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "p.go", source, 0)
	require.NoError(t, err)
	p := typed{fset: fset, syntax: []*ast.File{f}, info: &types.Info{Uses: map[*ast.Ident]types.Object{}, Types: map[ast.Expr]types.TypeAndValue{}}}
	p.pkg, err = new(types.Config).Check(module+"/p", fset, p.syntax, p.info)
	require.NoError(t, err)
	assert.Equal(t, []string{"p G", "p T.Unused", "p Two"}, unused(map[string]typed{"p": p}))
	assert.Empty(t, unused(map[string]typed{"internal/geminisim/x": p}))
}
