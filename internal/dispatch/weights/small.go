package weights

import (
	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/scheduler"
)

// Narrowest is what every model's window takes at least, in tokens.
const Narrowest = 8 << 10

// Small reports whether so many tokens are at most TPM/RPM of every model, on any project,
// and no more than it takes at all.
func Small(s *admission.Snapshot, models []string, tokens int64) bool {
	for _, model := range models {
		for _, rules := range s.Kinds() {
			l := rules.Policy.Limits(model)
			if l.TPM != scheduler.Unlimited && (l.RPM <= 0 || tokens > l.TPM/l.RPM) {
				return false
			}
		}
		if tokens > Narrowest && tokens > s.Rules.Policy.Window(model) {
			return false
		}
	}
	return true
}
