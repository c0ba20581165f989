package exchange

import (
	"context"

	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/payload/answers"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// maxDescription bounds the description of a resource, in bytes.
const maxDescription = 8 << 20

// CountConversation returns what counts a request that goes on from others: those that are
// named bring what they were, which the provider tells for nothing, and the rest is estimated.
func CountConversation(names []string, rest func() int64) func(ctx context.Context, to dispatch.Target) (int64, error) {
	return func(ctx context.Context, to dispatch.Target) (int64, error) {
		n := rest()
		for _, name := range names {
			text, err := upstream.Read(to.Context(ctx), to.Provider(), dispatch.PathOf(name), to.Key.Value.Reveal(), maxDescription)
			if err != nil {
				return 0, err
			}
			n += answers.ConversationTokens(text)
		}
		return n, nil
	}
}
