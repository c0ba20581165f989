package clients

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/genai"

	"fluxgate.dev/fluxgate/internal/geminisim"
)

// live is the model of sessions.
const live = "gemini-3.8-live"

// liveClient is Google's SDK for Go as it is for sessions: it makes wss of any base URL but ws.
func (w *world) liveClient(t *testing.T, key, version string) *genai.Client {
	t.Helper()
	client, err := genai.NewClient(t.Context(), &genai.ClientConfig{
		APIKey: key, Backend: genai.BackendGeminiAPI,
		HTTPOptions: genai.HTTPOptions{BaseURL: strings.Replace(w.url, "http", "ws", 1), APIVersion: version},
	})
	require.NoError(t, err)
	return client
}

// turns has a session of so many turns.
func turns(t *testing.T, s *genai.Session, n int) {
	t.Helper()
	for i := range n {
		text := fmt.Sprintf("Turn %d of a session", i)
		require.NoError(t, s.SendClientContent(genai.LiveClientContentInput{Turns: genai.Text(text)}))
		said := ""
		for {
			m, err := s.Receive()
			require.NoError(t, err)
			if m.ServerContent == nil {
				continue
			}
			if m.ServerContent.ModelTurn != nil {
				for _, p := range m.ServerContent.ModelTurn.Parts {
					said += p.Text
				}
			}
			if m.ServerContent.TurnComplete {
				assert.Positive(t, m.UsageMetadata.PromptTokenCount)
				break
			}
		}
		require.Equal(t, geminisim.Translate(text), said)
	}
}

// TestGoLive drives sessions with Google's SDK for Go: fifty turns, one with an ephemeral token,
// and what it makes of refusals.
func TestGoLive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client := w.liveClient(t, token, "v1beta")
	s, err := client.Live.Connect(t.Context(), auto, &genai.LiveConnectConfig{SystemInstruction: genai.NewContentFromText("Be brief.", genai.RoleUser)})
	require.NoError(t, err)
	turns(t, s, 50)
	require.NoError(t, s.Close())

	// Minting is a request of HTTP, which the SDK sends to http.
	minting, err := genai.NewClient(t.Context(), &genai.ClientConfig{
		APIKey: token, Backend: genai.BackendGeminiAPI, HTTPOptions: genai.HTTPOptions{BaseURL: w.url, APIVersion: "v1alpha"},
	})
	require.NoError(t, err)
	minted, err := minting.AuthTokens.Create(t.Context(), &genai.CreateAuthTokenConfig{Uses: genai.Ptr[int32](1)})
	require.NoError(t, err)
	s, err = w.liveClient(t, minted.Name, "v1alpha").Live.Connect(t.Context(), live, nil)
	require.NoError(t, err)
	turns(t, s, 2)
	require.NoError(t, s.Close())
	_, err = w.liveClient(t, minted.Name, "v1alpha").Live.Connect(t.Context(), live, nil)
	assert.ErrorContains(t, err, "The token is used up", "a close's reason reaches the application")

	_, err = client.Live.Connect(t.Context(), "gemini-none-live", nil)
	assert.ErrorContains(t, err, "1008", "and its code")
	_, err = w.liveClient(t, "wrong-token-of-the-clients", "v1beta").Live.Connect(t.Context(), live, nil)
	assert.ErrorContains(t, err, "bad handshake", "of a refused upgrade not even the status does")

	var open []*genai.Session
	for {
		s, err := client.Live.Connect(t.Context(), live, nil)
		if err != nil {
			assert.ErrorContains(t, err, "RESOURCE_EXHAUSTED: Please retry in ", "a wait")
			break
		}
		open = append(open, s)
		require.LessOrEqual(t, len(open), 2*projects)
	}
	for _, s := range open {
		require.NoError(t, s.Close())
	}
}
