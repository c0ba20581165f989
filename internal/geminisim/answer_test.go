package geminisim

import (
	"testing"
	"testing/quick"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim/tokeniser"
)

func TestTranslateIsReversible(t *testing.T) {
	assert.Equal(t, "Hillu, wurld!", Translate("Hello, world!"))
	require.NoError(t, quick.Check(func(text string) bool {
		there := Translate(text)
		return untranslate(there) == text && tokeniser.Count(there) == tokeniser.Count(text)
	}, nil))
}
