package pagetest

import (
	"testing"

	"fluxgate.dev/fluxgate/internal/testlock"
)

func TestMain(m *testing.M) { testlock.Shared(m) }
