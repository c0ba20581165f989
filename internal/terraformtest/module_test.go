package terraformtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"
)

const (
	// root is the module's, seen from the directory that the tests of this package run in.
	root   = "../.."
	folder = root + "/terraform"
)

// A module is the blocks of Terraform's root module.
type module struct {
	blocks []*hclsyntax.Block
	text   map[string]string // by file
}

func readModule(t *testing.T) module {
	t.Helper()
	names, err := filepath.Glob(folder + "/*.tf")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	m := module{text: map[string]string{}}
	for _, name := range names {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		file, problems := hclsyntax.ParseConfig(text, name, hcl.InitialPos)
		require.False(t, problems.HasErrors(), problems.Error())
		m.text[name] = string(text)
		m.blocks = append(m.blocks, file.Body.(*hclsyntax.Body).Blocks...)
	}
	return m
}

// local returns the expression of a local value.
func (m module) local(t *testing.T, name string) hclsyntax.Expression {
	t.Helper()
	for _, b := range m.blocks {
		if a, ok := b.Body.Attributes[name]; ok && b.Type == "locals" {
			return a.Expr
		}
	}
	require.Fail(t, "there is no local value "+name)
	return nil
}

// source returns the text of an expression on one line, with the commas that line breaks stand for.
func (m module) source(e hclsyntax.Expression) string {
	r := e.Range()
	text := strings.Join(strings.Fields(strings.ReplaceAll(string(r.SliceBytes([]byte(m.text[r.Filename]))), "\n", ", ")), " ")
	return strings.NewReplacer("{,", "{", ", }", " }", "[,", "[", ",,", ",", ", ]", "]").Replace(text)
}

// evaluate returns the value of an expression that refers to nothing but var.monitoring, which is true.
func evaluate(t *testing.T, e hcl.Expression) cty.Value {
	t.Helper()
	v, problems := e.Value(&hcl.EvalContext{Variables: map[string]cty.Value{
		"var": cty.ObjectVal(map[string]cty.Value{"monitoring": cty.True}),
	}})
	require.False(t, problems.HasErrors(), problems.Error())
	return v
}

// texts returns the elements of a list of texts.
func texts(t *testing.T, v cty.Value) (all []string) {
	t.Helper()
	for _, e := range v.Elements() {
		require.Equal(t, cty.String, e.Type())
		all = append(all, e.AsString())
	}
	require.NotEmpty(t, all)
	return all
}

// names returns the keys of the object constructors at the top of an expression, those in a conditional included.
func names(e hclsyntax.Expression) (all []string) {
	switch e := e.(type) {
	case *hclsyntax.ObjectConsExpr:
		for _, item := range e.Items {
			all = append(all, hcl.ExprAsKeyword(item.KeyExpr))
		}
	case *hclsyntax.ConditionalExpr:
		all = append(names(e.TrueResult), names(e.FalseResult)...)
	case *hclsyntax.FunctionCallExpr:
		for _, a := range e.Args {
			all = append(all, names(a)...)
		}
	case *hclsyntax.ParenthesesExpr:
		all = names(e.Expression)
	}
	return all
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(text)
}
