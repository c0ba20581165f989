package clients

import (
	"testing"

	"fluxgate.dev/fluxgate/internal/nodetest"
)

func TestLock(t *testing.T) { nodetest.RequireLock(t) }
