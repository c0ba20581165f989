package newer

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestEpochs(t *testing.T) {
	var e Epochs
	e.Hear(4, 5)
	assert.Zero(t, e.Heard(), "what is known")
	e.Hear(6, 5)
	sought := e.Heard()
	assert.EqualValues(t, 6, sought)
	e.Hear(7, 5)
	e.Read(6, sought)
	assert.EqualValues(t, 7, e.Heard(), "it was heard of while the other was read")
	e.Read(5, 0)
	assert.EqualValues(t, 7, e.Heard(), "a write that began before it says nothing")
	e.Read(8, e.Heard())
	assert.Zero(t, e.Heard())

	e.Hear(20, 8)
	e.Read(8, e.Heard())
	assert.Zero(t, e.Heard(), "it isn't there")
	e.Hear(20, 8)
	assert.Zero(t, e.Heard(), "that is known by now")
	e.Hear(21, 8)
	assert.EqualValues(t, 21, e.Heard())
}
