package ephemeral_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/ephemeral"
	"fluxgate.dev/fluxgate/storage"
)

// A token is known to every instance by its hash, until it has expired, and may begin so many
// sessions until its time for that is over.
func TestTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := storage.NewMemory(nil)
		a, b := ephemeral.New(store, time.Now), ephemeral.New(store, time.Now)
		asked, err := ephemeral.Asked([]byte(`{"uses":2,"bidiGenerateContentSetup":{"model":"models/m"}}`), time.Now())
		require.NoError(t, err)
		asked.Caller, asked.Project = "alice", "alpha"
		const token = "auth_tokens/abcdefgh"
		require.NoError(t, a.Minted(t.Context(), token, asked))
		for n := range 2 {
			got, err := b.Find(t.Context(), token)
			require.NoError(t, err)
			assert.Equal(t, [3]string{"alice", "alpha", "m"}, [3]string{got.Caller, got.Project, got.Model})
			assert.Equal(t, 2-n, got.Left)
			require.NoError(t, b.MayBegin(got))
			require.NoError(t, a.Begun(t.Context(), token))
		}
		got, err := b.Find(t.Context(), token)
		require.NoError(t, err)
		assert.ErrorIs(t, b.MayBegin(got), ephemeral.ErrUsedUp)
		got.Left = 1
		time.Sleep(time.Minute)
		assert.ErrorIs(t, b.MayBegin(got), ephemeral.ErrUsedUp, "none begins after a minute")
		time.Sleep(29 * time.Minute)
		_, err = b.Find(t.Context(), token)
		assert.ErrorIs(t, err, ephemeral.ErrUnknown, "it has expired")
		for n := range 16 {
			data, err := store.Record(t.Context(), fmt.Sprintf("tokens-%x", n))
			require.NoError(t, err)
			assert.NotContains(t, string(data), "abcdefgh")
		}
		for _, other := range []string{"", "auth_tokens/", "auth_tokens/other", strings.TrimPrefix(token, "auth_")} {
			_, err := b.Find(t.Context(), other)
			assert.ErrorIs(t, err, ephemeral.ErrUnknown, other)
		}
	})
}

// What is asked for may be spelt with underscores, and of a setup with a mask the model counts
// where that names it.
func TestAsked(t *testing.T) {
	now := time.Date(2026, 11, 29, 4, 0, 0, 0, time.UTC)
	for body, want := range map[string]ephemeral.Token{
		`{}`: {Begins: now.Add(time.Minute), Until: now.Add(30 * time.Minute), Left: 1},
		`{"uses":0,"expire_time":"2026-11-29T06:00:00Z","new_session_expire_time":"2026-11-29T05:00:00Z","bidi_generate_content_setup":{"model":"models/m"}}`: {
			Model: "m", Begins: now.Add(time.Hour), Until: now.Add(2 * time.Hour), Left: -1,
		},
		`{"Bidi_GenerateContentSetup":{"mo_del":"models/m"}}`: {Model: "m", Begins: now.Add(time.Minute), Until: now.Add(30 * time.Minute), Left: 1},
		`{"bidiGenerateContentSetup":{"model":"models/m"},"fieldMask":"generationConfig.temperature,model"}`: {
			Model: "m", Begins: now.Add(time.Minute), Until: now.Add(30 * time.Minute), Left: 1,
		},
		`{"bidiGenerateContentSetup":{"model":"models/m"},"field_mask":"generationConfig.temperature"}`: {
			Begins: now.Add(time.Minute), Until: now.Add(30 * time.Minute), Left: 1,
		},
	} {
		got, err := ephemeral.Asked([]byte(body), now)
		require.NoError(t, err, body)
		assert.Equal(t, want, got, body)
	}
	for _, body := range []string{
		`{"expireTime":"2026-11-29T06:00:00Z","expire_time":"2026-11-29T05:00:00Z"}`, `{"bidiGenerateContentSetup":{"model":"m","Model":"n"}}`,
	} {
		_, err := ephemeral.Asked([]byte(body), now)
		assert.Error(t, err, body)
	}
}

// A record that is full takes no more, of one caller before that, until some have expired; what
// can't be read isn't guessed.
func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := storage.NewMemory(nil)
		r := ephemeral.New(store, time.Now)
		soon := ephemeral.Token{Caller: "alice", Project: "alpha", Begins: time.Now().Add(time.Minute), Until: time.Now().Add(time.Hour), Left: -1}
		// Records that are full of hers, but for one.
		var b strings.Builder
		for n := range 399 {
			fmt.Fprintf(&b, `"%032x":{"c":"alice","p":"alpha","b":%d,"u":%d,"n":-1},`, n, soon.Begins.Unix(), soon.Until.Unix())
		}
		for n := range 16 {
			_, err := store.UpdateRecord(t.Context(), fmt.Sprintf("tokens-%x", n), func([]byte) ([]byte, error) {
				return []byte(`{"tokens":{` + strings.TrimSuffix(b.String(), ",") + `}}`), nil
			})
			require.NoError(t, err)
		}
		minted := 0
		var err error
		for ; err == nil && minted < 100; minted++ {
			err = r.Minted(t.Context(), fmt.Sprint("auth_tokens/", minted), soon)
		}
		require.ErrorIs(t, err, ephemeral.ErrFull)
		bob := soon
		bob.Caller = "bob"
		assert.NoError(t, r.Minted(t.Context(), fmt.Sprint("auth_tokens/", minted-1), bob), "others have room")
		time.Sleep(2 * time.Hour)
		soon.Until = time.Now().Add(time.Hour)
		assert.NoError(t, r.Minted(t.Context(), fmt.Sprint("auth_tokens/", minted-1), soon))

		for n := range 16 {
			_, err := store.UpdateRecord(t.Context(), fmt.Sprintf("tokens-%x", n), func([]byte) ([]byte, error) { return []byte(`{"tokens":[]}`), nil })
			require.NoError(t, err)
		}
		_, err = r.Find(t.Context(), "auth_tokens/1")
		require.Error(t, err)
		assert.NotErrorIs(t, err, ephemeral.ErrUnknown)
		assert.Error(t, r.Minted(t.Context(), "auth_tokens/1", soon))
	})
}

// A proof of the caller's token is kept beside a token, through writes of a build that doesn't
// know of proofs too, and goes with it.
func TestProofs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := storage.NewMemory(nil)
		r := ephemeral.New(store, time.Now)
		made := ephemeral.Token{Caller: "alice", Project: "alpha", Begins: time.Now().Add(time.Minute), Until: time.Now().Add(time.Hour), Left: -1, Proof: "proof"}
		const token = "auth_tokens/abcdefgh"
		require.NoError(t, r.Minted(t.Context(), token, made))
		find := func() (got ephemeral.Token) {
			got, err := r.Find(t.Context(), token)
			require.NoError(t, err)
			return got
		}
		assert.Equal(t, "proof", find().Proof)
		var record string
		for n := range 16 {
			name := fmt.Sprintf("tokens-%x", n)
			_, err := store.UpdateRecord(t.Context(), name, func(data []byte) ([]byte, error) {
				if len(data) > 0 {
					record = name
					data = []byte(strings.Replace(string(data), `"tokens":{`, fmt.Sprintf(`"tokens":{"other":{"c":"bob","p":"alpha","b":0,"u":%d,"n":1},`, time.Now().Add(time.Hour).Unix()), 1))
				}
				return data, nil
			})
			require.NoError(t, err)
		}
		require.NoError(t, r.Begun(t.Context(), token))
		assert.Equal(t, "proof", find().Proof)
		time.Sleep(2 * time.Hour)
		require.NoError(t, r.Begun(t.Context(), token))
		data, err := store.Record(t.Context(), record)
		require.NoError(t, err)
		assert.NotContains(t, string(data), "proof\"")
	})
}
