package callers

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/secrets"
	"fluxgate.dev/fluxgate/internal/testbuffer"
)

// A world is an authenticator over a vault, in virtual time and without jitter.
type world struct {
	t             *testing.T
	vault         *vault
	authenticator *Authenticator
	log           *testbuffer.Buffer
}

func inBubble(t *testing.T, payloads map[string]string, test func(*testing.T, *world), environ ...string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t, &vault{payloads: payloads, failures: map[string]error{}}, nil, &testbuffer.Buffer{}}
		var err error
		w.authenticator, err = New(configured(t, environ...), w.vault, secrets.Options{
			Rand: func() float64 { return 0.5 }, Logger: slog.New(slog.NewJSONHandler(w.log, nil)),
		})
		require.NoError(t, err)
		test(t, w)
		assert.NotContains(t, w.log.String(), "hunter2")
	})
}

// who returns the caller of a token, or its error.
func (w *world) who(token string) (string, error) {
	c, err := w.authenticator.Authenticate(request("/x", "x-goog-api-key: "+token))
	return c.Name, err
}

func (w *world) known(token, name string) {
	w.t.Helper()
	got, err := w.who(token)
	assert.NoError(w.t, err)
	assert.Equal(w.t, name, got)
}

func (w *world) unknown(token string) {
	w.t.Helper()
	_, err := w.who(token)
	assert.ErrorIs(w.t, err, ErrWrong)
}

func TestTokensInSecrets(t *testing.T) {
	for name, payload := range map[string]string{
		"lines": "# team\nalice:" + aliceToken + "\n\n bob : " + bobToken + " \r\n",
		"JSON":  `[{"name":"alice","token":"` + aliceToken + `"},{"token":"` + bobToken + `","name":"bob"}]`,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, map[string]string{secretS: payload, secretT: "root:" + rootToken}, func(t *testing.T, w *world) {
				assert.Equal(t, 0, w.vault.count(), "a new one reads nothing")
				_, err := w.who("")
				assert.ErrorIs(t, err, ErrMissing)
				assert.Equal(t, 0, w.vault.count(), "a request without a token is refused for nothing")
				w.known(aliceToken, "alice")
				w.known(bobToken, "bob")
				c, err := w.authenticator.Authenticate(request("/x", "x-goog-api-key: "+rootToken))
				require.NoError(t, err)
				assert.Equal(t, Caller{Name: "root", Admin: true}, public(c))
				assert.Equal(t, 2, w.vault.count(), "once for each secret")
				assert.Contains(t, w.log.String(), `"msg":"tokens loaded","tokens":3,"callers":3`)
			}, fromSecretS, fromSecretT)
		})
	}
}

func TestTokensOfBothOrigins(t *testing.T) {
	inBubble(t, map[string]string{secretT: "root:" + rootToken}, func(_ *testing.T, w *world) {
		w.known(aliceToken, "alice")
		w.known(rootToken, "root")
	}, tokensOfAll, fromSecretT)
}

func TestRotation(t *testing.T) {
	inBubble(t, map[string]string{secretS: "alice:" + aliceToken + "\nbob:" + bobToken}, func(t *testing.T, w *world) {
		w.known(aliceToken, "alice")
		// The new token is put beside the old one; both work.
		w.vault.set(func() { w.vault.payloads[secretS] += "\nalice:" + aliceNew })
		w.unknown(aliceNew)
		assert.Equal(t, 1, w.vault.count(), "just read: not again for a token that may simply be wrong")
		time.Sleep(30 * time.Second)
		w.known(aliceNew, "alice")
		assert.Equal(t, 2, w.vault.count(), "a new token works long before the list is due")
		w.known(aliceToken, "alice")
		assert.Contains(t, w.log.String(), `"changed":["alice"]`)

		// The old one goes, and with it bob: within a TTL, since nothing asks earlier.
		w.vault.set(func() { w.vault.payloads[secretS] = "alice:" + aliceNew })
		time.Sleep(5*time.Minute - time.Millisecond)
		w.known(aliceToken, "alice")
		time.Sleep(time.Millisecond)
		w.unknown(aliceToken)
		w.unknown(bobToken)
		w.known(aliceNew, "alice")
		assert.Equal(t, 3, w.vault.count())
		assert.Contains(t, w.log.String(), `"removed":["bob"],"changed":["alice"]`)
	}, fromSecretS)
}

// An administrator need not wait for a TTL when a token has been taken back.
func TestReload(t *testing.T) {
	inBubble(t, map[string]string{secretS: "alice:" + aliceToken}, func(t *testing.T, w *world) {
		w.known(aliceToken, "alice")
		w.vault.set(func() { w.vault.payloads[secretS] = "alice:" + aliceNew })
		require.NoError(t, w.authenticator.Reload(t.Context(), "asked for"))
		w.known(aliceToken, "alice")
		time.Sleep(minReload)
		require.NoError(t, w.authenticator.Reload(t.Context(), "asked for"))
		w.unknown(aliceToken)
		w.known(aliceNew, "alice")
		assert.Equal(t, 2, w.vault.count())
	}, fromSecretS)
	assert.NoError(t, newAuthenticator(t, "FLUXGATE_TOKENS=alice:"+aliceToken).Reload(t.Context(), "asked for"), "there is no secret to be read")
}

func TestGuessingDoesntWearOutTheSecret(t *testing.T) {
	inBubble(t, map[string]string{secretS: "alice:" + aliceToken}, func(t *testing.T, w *world) {
		for range 600 {
			w.unknown(wrongToken)
			time.Sleep(100 * time.Millisecond)
		}
		// The first reading, then one every 30 s.
		assert.Equal(t, 2, w.vault.count())
	}, fromSecretS)
}

func TestTokensTakenBack(t *testing.T) {
	disabled := fmt.Errorf("Secret Version is in DISABLED state: %w", secrets.ErrDisabled)
	inBubble(t, map[string]string{secretS: "alice:" + aliceToken, secretT: "root:" + rootToken}, func(t *testing.T, w *world) {
		w.known(aliceToken, "alice")
		w.vault.set(func() { w.vault.failures[secretS] = disabled })
		time.Sleep(5 * time.Minute)
		w.unknown(aliceToken)
		w.known(rootToken, "root") // others don't suffer from it
		time.Sleep(5 * time.Minute)
		w.unknown(aliceToken)
		assert.Contains(t, w.log.String(), "the version of a secret is disabled or destroyed")
		assert.Contains(t, w.log.String(), secretS)
	}, fromSecretS, fromSecretT)
	// An instance that starts now must see it the same way, and a list that was
	// emptied on purpose is not one that couldn't be read.
	for name, w := range map[string]*vault{
		"disabled": {failures: map[string]error{secretS: disabled}},
		"emptied":  {payloads: map[string]string{secretS: "[]"}},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := New(configured(t, fromSecretS), w, secrets.Options{Logger: slog.New(slog.DiscardHandler)})
			require.NoError(t, err)
			_, err = b.Authenticate(request("/x", "x-goog-api-key: "+aliceToken))
			assert.ErrorIs(t, err, ErrWrong)
			assert.False(t, b.Open(), "no token is left, and none opens nothing")
		})
	}
}

func TestTokensCantBeRead(t *testing.T) {
	down := errors.New("no")
	inBubble(t, map[string]string{secretS: "alice:" + aliceToken}, func(t *testing.T, w *world) {
		w.vault.set(func() { w.vault.failures[secretS] = down })
		for range 5 {
			_, err := w.who(aliceToken)
			require.ErrorIs(t, err, ErrUnavailable)
			assert.NotErrorIs(t, err, ErrWrong, "a good token must not look like a wrong one")
			assert.ErrorIs(t, err, down, "the cause stays readable")
		}
		assert.Equal(t, 1, w.vault.count(), "a burst asks once")
		w.vault.set(func() { delete(w.vault.failures, secretS) })
		time.Sleep(time.Second)
		w.known(aliceToken, "alice")

		// Later failures leave what there is, also one in the text of the secret.
		w.vault.set(func() { w.vault.failures[secretS] = down })
		time.Sleep(5 * time.Minute)
		w.known(aliceToken, "alice")
		w.vault.set(func() {
			delete(w.vault.failures, secretS)
			w.vault.payloads[secretS] = "bob:" + bobToken + "\nalice:hunter2"
		})
		time.Sleep(time.Minute)
		w.known(aliceToken, "alice")
		assert.Contains(t, w.log.String(), "the tokens could not be read again; those in use stay")
		assert.Contains(t, w.log.String(), "entry 2: its token has 7 characters")
	}, fromSecretS)
}

func TestSecretsRefused(t *testing.T) {
	for _, tt := range []struct{ name, payload, want string }{
		{"a token alone", aliceToken, "entry 1: want name:token"},
		{"keys", `[{"key":"` + aliceToken + `"}]`, "entry 1: it has a field other than name and token"},
		{"an object", `{"alice":"` + aliceToken + `"}`, `want an array, [{"name":"…","token":"…"}]`},
		{"no name", `[{"token":"` + aliceToken + `"}]`, "entry 1: its name: want"},
		{"no token", `[{"name":"alice"}]`, "entry 1: its token has 0 characters"},
		{"twice", "alice:" + aliceToken + "\nbob:" + aliceToken, "entry 2: its token is that of " + secretS + ", entry 1"},
		// Whose it is, and what it may do, must not depend on which list is read first.
		{"a token of the other list", "alice:" + rootToken, "FLUXGATE_ADMIN_TOKENS: entry 1: its token is that of " + secretS + ", entry 1"},
		{"blank", " \n", "it is empty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := &vault{payloads: map[string]string{secretS: tt.payload}}
			b, err := New(configured(t, fromSecretS, rootsTokens), v, secrets.Options{Logger: slog.New(slog.DiscardHandler)})
			require.NoError(t, err)
			_, err = b.Authenticate(request("/x", "x-goog-api-key: "+aliceToken))
			require.ErrorIs(t, err, ErrUnavailable)
			assert.ErrorContains(t, err, tt.want)
			assert.NotContains(t, err.Error(), "hunter2")
		})
	}
}

func TestIAMGoesOnWithoutTheAdministratorsSecret(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		c, err := w.authenticator.Authenticate(request("/x", "x-goog-api-key: dummy"))
		require.NoError(t, err)
		assert.Equal(t, Caller{Name: config.CallerIAM}, public(c))
	}, onCloud, withIAM, fromSecretT)
}

func TestConcurrentUse(t *testing.T) {
	inBubble(t, map[string]string{secretS: "alice:" + aliceToken}, func(t *testing.T, w *world) {
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				for range 50 {
					w.known(aliceToken, "alice")
					w.unknown(wrongToken)
					if i == 0 {
						time.Sleep(10 * time.Second)
					}
				}
			})
		}
		wg.Wait()
	}, fromSecretS)
}

// Callers and administrators rotate their tokens with an overlap, several under one
// name, in every form in which tokens are given.
func TestSeveralTokensOfOneNameInEveryForm(t *testing.T) {
	const lines = "FLUXGATE_TOKENS=alice:" + aliceToken + "\nalice:" + aliceNew
	for name, c := range map[string]struct {
		payloads map[string]string
		environ  []string
	}{
		"the environment":           {nil, []string{"FLUXGATE_TOKENS=alice:" + aliceToken + ",alice:" + aliceNew, "FLUXGATE_ADMIN_TOKENS=root:" + rootToken + ",root:" + bobToken}},
		"the environment, on lines": {nil, []string{lines, "FLUXGATE_ADMIN_TOKENS=root:" + rootToken + "\nroot:" + bobToken}},
		"a secret of lines": {
			map[string]string{"projects/p/secrets/t/versions/latest": "alice:" + aliceToken + "\nalice:" + aliceNew, "projects/p/secrets/a/versions/latest": "root:" + rootToken + "\nroot:" + bobToken},
			[]string{"FLUXGATE_TOKENS_SECRET=projects/p/secrets/t", "FLUXGATE_ADMIN_TOKENS_SECRET=projects/p/secrets/a"},
		},
		"a secret of JSON": {
			map[string]string{
				"projects/p/secrets/t/versions/latest": `[{"name":"alice","token":"` + aliceToken + `"},{"name":"alice","token":"` + aliceNew + `"}]`,
				"projects/p/secrets/a/versions/latest": `[{"name":"root","token":"` + rootToken + `"},{"name":"root","token":"` + bobToken + `"}]`,
			},
			[]string{"FLUXGATE_TOKENS_SECRET=projects/p/secrets/t", "FLUXGATE_ADMIN_TOKENS_SECRET=projects/p/secrets/a"},
		},
		"two secrets": {
			map[string]string{
				"projects/p/secrets/t/versions/latest": "alice:" + aliceToken, "projects/p/secrets/t2/versions/latest": "alice:" + aliceNew,
				"projects/p/secrets/a/versions/latest": "root:" + rootToken, "projects/p/secrets/a2/versions/latest": "root:" + bobToken,
			},
			[]string{"FLUXGATE_TOKENS_SECRET=projects/p/secrets/t,projects/p/secrets/t2", "FLUXGATE_ADMIN_TOKENS_SECRET=projects/p/secrets/a,projects/p/secrets/a2"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, c.payloads, func(t *testing.T, w *world) {
				for token, want := range map[string]Caller{
					aliceToken: {Name: "alice"}, aliceNew: {Name: "alice"}, rootToken: {Name: "root", Admin: true}, bobToken: {Name: "root", Admin: true},
				} {
					got, err := w.authenticator.Authenticate(request("/x", "x-goog-api-key: "+token))
					require.NoError(t, err)
					assert.Equal(t, want, public(got))
				}
			}, c.environ...)
		})
	}
}
