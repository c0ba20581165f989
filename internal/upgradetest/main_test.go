package upgradetest

import (
	"testing"

	"fluxgate.dev/fluxgate/internal/alone"
)

func TestMain(m *testing.M) { alone.Main(m) }
