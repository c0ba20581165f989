package codec

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/scheduler"
)

// Which settings a writer knew of takes a dozen bytes, none where it knew of none, and stays
// there when a build writes that knows nothing of it.
func TestSettingsAreKept(t *testing.T) {
	rules := rulesFor(scheduler.Limits{RPM: 5, TPM: 1 << 40, RPD: 1 << 40})
	p := state(1, 0, 0)
	c, before := New(settings), New()
	none, err := c.Pack(rules, p.Latest, p, nil)
	require.NoError(t, err)
	assert.Nil(t, none.Sections)

	p.Epoch = 5000
	doc, err := c.Pack(rules, p.Latest, p, nil)
	require.NoError(t, err)
	assert.Len(t, doc.Sections, 13)
	back, err := c.Unpack(doc)
	require.NoError(t, err)
	assert.EqualValues(t, 5000, back.Epoch)

	old, err := before.Unpack(doc)
	require.NoError(t, err)
	doc, err = before.Pack(rules, p.Latest, old.Wrote(1, 1), doc.Sections)
	require.NoError(t, err)
	back, err = c.Unpack(doc)
	require.NoError(t, err)
	assert.EqualValues(t, 5000, back.Epoch)

	assert.Zero(t, settings.Give(state(1, 0, 0), []byte{0xff}, true).Epoch, "damaged, it is as good as none")
}
