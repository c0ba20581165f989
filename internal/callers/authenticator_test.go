package callers

import (
	"bytes"
	"cmp"
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/config/origins"
	"fluxgate.dev/fluxgate/internal/secrets"
)

func TestAuthenticate(t *testing.T) {
	b := newAuthenticator(t, tokensOfAll, rootsTokens)
	escaped := url.QueryEscape(aliceToken)
	for _, tt := range []struct {
		name    string
		target  string
		headers []string
		caller  string
		err     error
	}{
		// Where each client puts an API key.
		{name: "Google's clients", headers: []string{"x-goog-api-key: " + aliceToken}, caller: "alice"},
		{name: "OpenAI's clients", headers: []string{"Authorization: Bearer " + aliceToken}, caller: "alice"},
		{name: "curl -u", headers: []string{"Authorization: " + basic("anybody", bobToken)}, caller: "bob"},
		{name: "a password may hold colons", headers: []string{"Authorization: " + basic("", "a:"+bobToken)}, err: ErrWrong},
		{name: "curl", target: "/x?alt=sse&key=" + escaped, caller: "alice"},
		{name: "curl, with a plus left as it is", target: "/x?key=" + aliceToken, caller: "alice"},
		{name: "an encoded name", target: "/x?%6b%65%79=" + escaped, caller: "alice"},
		{name: "our own header", headers: []string{"X-Fluxgate-Token: " + aliceToken}, caller: "alice"},
		{name: "an administrator", headers: []string{"x-goog-api-key: " + rootToken}, caller: "root"},
		{name: "schemes are written in any case", headers: []string{"authorization: bEARER   " + aliceToken + " "}, caller: "alice"},
		{name: "the same token everywhere", target: "/x?key=" + escaped + "&key=" + escaped, caller: "alice",
			headers: []string{"x-goog-api-key: " + aliceToken, "Authorization: Bearer " + aliceToken, "X-Fluxgate-Token: " + aliceToken}},
		{name: "an empty form beside it", target: "/x?key=", headers: []string{"x-goog-api-key: " + aliceToken, "Authorization: Bearer "}, caller: "alice"},

		{name: "nothing", err: ErrMissing},
		{name: "everything empty", target: "/x?key=&key", headers: []string{"x-goog-api-key: ", "Authorization: Bearer", "X-Fluxgate-Token:  "}, err: ErrMissing},
		{name: "an empty password", headers: []string{"Authorization: " + basic(aliceToken, "")}, err: ErrMissing},
		{name: "a scheme that can't hold a token", headers: []string{"Authorization: Digest " + aliceToken}, err: ErrMissing},
		{name: "no scheme", headers: []string{"Authorization: " + aliceToken}, err: ErrMissing},
		{name: "a cookie", headers: []string{"Cookie: key=" + aliceToken}, err: ErrMissing}, // browsers send those for other sites
		{name: "the parameter's name in another case", target: "/x?KEY=" + escaped, err: ErrMissing},
		{name: "behind a semicolon", target: "/x?a=b;key=" + escaped, err: ErrMissing},

		{name: "unknown", headers: []string{"x-goog-api-key: " + wrongToken}, err: ErrWrong},
		{name: "the beginning of one", headers: []string{"x-goog-api-key: " + aliceToken[:20]}, err: ErrWrong},
		{name: "more than one", headers: []string{"x-goog-api-key: " + aliceToken + "x"}, err: ErrWrong},
		{name: "in another case", headers: []string{"x-goog-api-key: HUNTER2+alice/alice=="}, err: ErrWrong},
		{name: "a caller's name", headers: []string{"x-goog-api-key: alice"}, err: ErrWrong},
		{name: "name and token", headers: []string{"x-goog-api-key: alice:" + aliceToken}, err: ErrWrong},
		{name: "a password that isn't base64", headers: []string{"Authorization: Basic ???"}, err: ErrWrong},
		{name: "a parameter that isn't encoded right", target: "/x?key=%zz" + aliceToken, err: ErrWrong},

		// Which of two was meant is not guessed, even if both are good: upstream
		// refuses two credentials as well.
		{name: "two callers", headers: []string{"x-goog-api-key: " + aliceToken, "Authorization: Bearer " + bobToken}, err: ErrConflict},
		{name: "right and wrong", target: "/x?key=" + wrongToken, headers: []string{"x-goog-api-key: " + aliceToken}, err: ErrConflict},
		{name: "two of one header", headers: []string{"x-goog-api-key: " + aliceToken, "x-goog-api-key: " + wrongToken}, err: ErrConflict},
		{name: "two parameters", target: "/x?key=" + escaped + "&key=x", err: ErrConflict},
		{name: "two schemes", headers: []string{"Authorization: Bearer " + aliceToken, "Authorization: " + basic("", bobToken)}, err: ErrConflict},
		{name: "Cloud Run's header means nothing without IAM", headers: []string{"X-Serverless-Authorization: Bearer " + aliceToken}, err: ErrMissing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.target == "" {
				tt.target = "/x"
			}
			r := request(tt.target, tt.headers...)
			before := r.Header.Clone()
			got, err := b.Authenticate(r)
			assert.Equal(t, before, r.Header, "the request stays as it is")
			if tt.err != nil {
				require.ErrorIs(t, err, tt.err)
				assert.NotContains(t, err.Error(), "hunter2")
				assert.Equal(t, Caller{}, got)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, Caller{Name: tt.caller, Admin: tt.caller == "root"}, public(got))
		})
	}
}

func TestNobodyIsAdministratorByDefault(t *testing.T) {
	// One tenant must not disable the keys of all, so with callers' tokens alone
	// nobody may.
	got, err := newAuthenticator(t, tokensOfAll).Authenticate(request("/x", "x-goog-api-key: "+aliceToken))
	require.NoError(t, err)
	assert.False(t, got.Admin)
	// With administrators' tokens alone a request needs one of them.
	b := newAuthenticator(t, rootsTokens)
	assert.False(t, b.Open())
	_, err = b.Authenticate(request("/x"))
	assert.ErrorIs(t, err, ErrMissing)
	got, err = b.Authenticate(request("/x", "x-goog-api-key: "+rootToken))
	require.NoError(t, err)
	assert.Equal(t, Caller{Name: "root", Admin: true}, public(got))
}

func TestTwoTokensOfOneCaller(t *testing.T) {
	b := newAuthenticator(t, "FLUXGATE_TOKENS=alice:"+aliceToken+",alice:"+aliceNew)
	for _, token := range []string{aliceToken, aliceNew} {
		got, err := b.Authenticate(request("/x", "x-goog-api-key: "+token))
		require.NoError(t, err)
		assert.Equal(t, "alice", got.Name)
	}
}

func TestLimits(t *testing.T) {
	// The name is what FLUXGATE_CALLERS limits a caller by.
	cfg := configured(t, tokensOfAll, `FLUXGATE_CALLERS={"alice":{"rpm":3},"bob":{"rpm":-1}}`)
	b := newAuthenticator(t, tokensOfAll)
	alice, err := b.Authenticate(request("/x", "x-goog-api-key: "+aliceToken))
	require.NoError(t, err)
	require.NotNil(t, cfg.Callers[alice.Name].RPM)
	assert.EqualValues(t, 3, *cfg.Callers[alice.Name].RPM)
	bob, err := b.Authenticate(request("/x", "x-goog-api-key: "+bobToken))
	require.NoError(t, err)
	require.NotNil(t, cfg.Callers[bob.Name].RPM)
	assert.EqualValues(t, config.Unlimited, *cfg.Callers[bob.Name].RPM, "unlimited in so many words")
	assert.Equal(t, config.CallerLimits{}, cfg.Callers[Caller{}.Name])
}

// The time that it takes must not depend on where a match is, nor on whether
// there is one: all entries are compared, each once and in full.
func TestEveryTokenIsCompared(t *testing.T) {
	b := newAuthenticator(t, tokensOfAll+",bob:hunter2-a-third-token", rootsTokens)
	var lengths []int
	b.compare = func(x, y []byte) int {
		lengths = append(lengths, len(x), len(y))
		return subtle.ConstantTimeCompare(x, y)
	}
	for _, token := range []string{aliceToken, bobToken, "hunter2-a-third-token", rootToken, wrongToken, "x", "hunter2+alice/alice=x"} {
		lengths = nil
		_, _ = b.Authenticate(request("/x", "x-goog-api-key: "+token))
		assert.Equal(t, []int{32, 32, 32, 32, 32, 32, 32, 32}, lengths, token)
	}
}

func TestNothingPrintsAToken(t *testing.T) {
	b := newAuthenticator(t, tokensOfAll, rootsTokens)
	caller, err := b.Authenticate(request("/x", "x-goog-api-key: "+aliceToken))
	require.NoError(t, err)
	_, wrong := b.Authenticate(request("/x", "x-goog-api-key: "+wrongToken))
	_, conflict := b.Authenticate(request("/x?key="+bobToken, "x-goog-api-key: "+wrongToken))
	require.Error(t, wrong)
	require.Error(t, conflict)
	for name, v := range map[string]any{
		"authenticator": b, "table": b.static, "lists": b.sources, "caller": caller,
		"wrong": wrong, "conflict": conflict, "struct": struct{ b *Authenticator }{b},
	} {
		var text, js bytes.Buffer
		slog.New(slog.NewTextHandler(&text, nil)).Info("m", "v", v)
		slog.New(slog.NewJSONHandler(&js, nil)).Info("m", "v", v)
		asJSON, _ := json.Marshal(v)
		for _, out := range []string{fmt.Sprintf("%v %+v %#v %s %q %x %d", v, v, v, v, v, v, v), string(asJSON), text.String(), js.String()} {
			assert.NotContains(t, out, "hunter2", name)
			assert.NotContains(t, out, "68756e74657232", name)
		}
	}
	// The check above would pass on empty output.
	assert.Contains(t, fmt.Sprintf("%+v", b.static), "alice")
}

func TestPolicy(t *testing.T) {
	for _, tt := range []struct {
		name    string
		environ []string
		want    Mode
	}{
		{"serve as it comes", nil, ModeOpen},
		{"serve with tokens", []string{tokensOfAll}, ModeTokens},
		{"serve with an administrator's token", []string{rootsTokens}, ModeTokens},
		{"tokens in a secret", []string{fromSecretS}, ModeTokens},
		{"an administrator's in a secret", []string{fromSecretT}, ModeTokens},
		{"serve can't claim to have IAM", []string{withIAM}, ModeOpen},
		{"nor drop its tokens by that", []string{withIAM, tokensOfAll}, ModeTokens},
		{"deployed without a thought", []string{onCloud}, ModeRefuse},
		{"deployed with tokens", []string{onCloud, tokensOfAll}, ModeTokens},
		{"deployed with a secret", []string{onCloud, fromSecretS}, ModeTokens},
		{"deployed behind IAM", []string{onCloud, withIAM}, ModeIAM},
		{"deployed behind IAM with tokens", []string{onCloud, withIAM, tokensOfAll}, ModeIAM},
		{"limits alone guard nothing", []string{onCloud, `FLUXGATE_CALLERS={"alice":{"rpm":1}}`}, ModeRefuse},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := configured(t, tt.environ...)
			assert.Equal(t, tt.want, ModeOf(cfg))
			b, err := New(cfg, new(vault), secrets.Options{})
			require.NoError(t, err)
			assert.Equal(t, tt.want, b.mode)
			assert.Equal(t, tt.want == ModeOpen, b.Open())
		})
	}
}

func TestRefuse(t *testing.T) {
	_, err := newAuthenticator(t, onCloud).Authenticate(request("/x", "x-goog-api-key: "+aliceToken))
	require.ErrorIs(t, err, ErrUnguarded)
	assert.ErrorContains(t, err, "FLUXGATE_TOKENS", "it says what to do")
}

func TestOpen(t *testing.T) {
	// Clients insist on an API key, so any is fine, even two.
	const limits = `FLUXGATE_CALLERS={"anonymous":{"rpm":1}}`
	open := newAuthenticator(t, "FLUXGATE_CORS=https://app.example", "FLUXGATE_HOSTS=box.example", limits)
	got, err := open.Authenticate(request("http://localhost/x?key=dummy", "x-goog-api-key: other"))
	require.NoError(t, err)
	assert.Equal(t, config.CallerAnonymous, got.Name)
	assert.True(t, got.Admin)
	assert.Contains(t, configured(t, limits).Callers, got.Name)

	const local = "http://127.0.0.1:8080/x"
	for _, tt := range []struct {
		name    string
		target  string
		host    string // default: the target's
		headers []string
		listen  string // address that the request came in by
		err     error
	}{
		{name: "a program", target: local, listen: "127.0.0.1"},
		{name: "by IPv6", target: "http://[::1]:8080/x", listen: "::1"},
		{name: "another machine", target: local, listen: "192.168.1.2", err: ErrUnguarded},
		{name: "the dashboard", target: local, headers: []string{"Origin: http://127.0.0.1:8080", "Sec-Fetch-Site: same-origin"}, listen: "127.0.0.1"},
		{name: "the dashboard by IPv6", target: "http://[::1]:8080/x", headers: []string{"Origin: http://[::1]:8080"}, listen: "::1"},
		{name: "a page that FLUXGATE_CORS names", target: local, headers: []string{"Origin: https://app.example", "Sec-Fetch-Site: cross-site"}, listen: "127.0.0.1"},
		{name: "any page that is visited", target: local, headers: []string{"Origin: https://evil.example", "Sec-Fetch-Site: cross-site"}, listen: "127.0.0.1", err: ErrOrigin},
		{name: "one without a secure context", target: local, headers: []string{"Origin: http://evil.example"}, listen: "127.0.0.1", err: ErrOrigin},
		{name: "one whose name was made to point here", target: "http://evil.example:8080/x", headers: []string{"Origin: http://evil.example:8080"}, listen: "127.0.0.1", err: ErrOrigin},
		{name: "a container that knows this machine by another name", target: "http://host.docker.internal:8080/x", listen: "127.0.0.1"},
		{name: "a name that was made to point here, without a page's headers", target: "http://evil.example/x", listen: "127.0.0.1", err: ErrHost},
		{name: "one that looks like a loopback address", target: "http://127.0.0.1.evil.example:8080/x", listen: "127.0.0.1", err: ErrHost},
		{name: "a name that FLUXGATE_HOSTS has", target: "http://Box.example:8080/x", listen: "127.0.0.1"},
		{name: "its page", target: "http://box.example:8080/x", headers: []string{"Origin: http://box.example:8080", "Sec-Fetch-Site: same-origin"}, listen: "127.0.0.1"},
		{name: "by localhost", target: "http://LOCALHOST:8080/x", listen: "127.0.0.1"},
		{name: "a tunnel on this machine", target: local, headers: []string{"X-Forwarded-For: 203.0.113.9"}, listen: "127.0.0.1", err: ErrHost},
		{name: "a tunnel behind another", target: local, headers: []string{"X-Forwarded-For: 127.0.0.1, 203.0.113.9"}, listen: "127.0.0.1", err: ErrHost},
		{name: "a tunnel's other header", target: local, headers: []string{"Cf-Connecting-Ip: 203.0.113.9"}, listen: "127.0.0.1", err: ErrHost},
		{name: "a proxy by RFC 7239", target: local, headers: []string{`Forwarded: proto=https;for="[2001:db8::1]:4711"`}, listen: "127.0.0.1", err: ErrHost},
		{name: "one that hides for whom", target: local, headers: []string{"Forwarded: for=_hidden"}, listen: "127.0.0.1", err: ErrHost},
		{name: "a proxy for this machine", target: local, headers: []string{"X-Forwarded-Proto: https", "X-Forwarded-For: 127.0.0.1", `Forwarded: for="[::1]:4711";by=x, for=127.0.0.1`}, listen: "127.0.0.1"},
		{name: "one that asks for localhost in brackets", target: local, host: "[localhost]", listen: "127.0.0.1", err: ErrHost},
		{name: "with a port", target: local, host: "[localhost]:8080", listen: "127.0.0.1", err: ErrHost},
		{name: "an address in two", target: local, host: "[[127.0.0.1]]", listen: "127.0.0.1", err: ErrHost},
		{name: "IPv6 without a port", target: local, host: "[::1]", listen: "::1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := request(tt.target, tt.headers...)
			r.Host = cmp.Or(tt.host, r.Host)
			r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(&net.TCPAddr{IP: net.ParseIP(tt.listen), Port: 8080})))
			_, err := open.Authenticate(r)
			if tt.err == nil {
				assert.NoError(t, err)
				return
			}
			assert.ErrorIs(t, err, tt.err)
		})
	}
	// Whoever passes a request on says so in one of many ways.
	for _, line := range []string{
		"Forwarded: for = 1.2.3.4", `Forwarded: "for"=1.2.3.4`, "Forwarded: garbage", "Forwarded: host=evil.example;proto=https", "Forwarded: ",
		"Forwarded: for=127.0.0.1, proto=https", `Forwarded: by="x;for=127.0.0.1"`, `Forwarded: by="x,for=127.0.0.1"`, "Forwarded: for=127.0.0.1;for=1.2.3.4",
		"Via: 1.1 localhost", "Cdn-Loop: cloudflare", "Tailscale-User-Login: a@example.com", "Ngrok-Trace-Id: x", "Cf-Ray: x-FRA", "Fly-Request-Id: x", "X-Azure-Ref: x", "X-Vercel-Id: x",
		"X-Forwarded-Proto: https", "X-Forwarded-Proto: http", "X-Forwarded-Proto: ", "X-Forwarded-Port: 443", "X-Forwarded-Prefix: /x", "Front-End-Https: on",
		"X-Forwarded-Host: evil.example", "X-Forwarded-Server: evil.example", "X-Forwarded: for=1.2.3.4", "X-Original-Host: evil.example",
		"X-Client-Ip: 1.2.3.4", "X-Cluster-Client-Ip: 1.2.3.4", "Fly-Client-Ip: 1.2.3.4", "X-Envoy-External-Address: 1.2.3.4", "X-ProxyUser-Ip: 1.2.3.4",
	} {
		_, err := open.Authenticate(request("http://localhost/x", line))
		assert.ErrorIs(t, err, ErrHost, line)
	}
	for _, line := range []string{"X-Forwarded-Host: localhost:3000", "X-Client-Ip: ::1", "Forwarded: proto=http; For=127.0.0.1"} {
		_, err := open.Authenticate(request("http://localhost/x", line))
		assert.NoError(t, err, line)
	}
	// A page reads as little as it changes: a GET may ask upstream too.
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		for header, want := range map[string]error{
			"Sec-Fetch-Site: cross-site": ErrOrigin, "Sec-Fetch-Site: same-site": ErrOrigin, "Origin: https://evil.example": ErrOrigin,
			"Sec-Fetch-Site: same-origin": nil, "Sec-Fetch-Site: none": nil, "Origin: https://app.example": nil, "Accept: */*": nil,
		} {
			r := request("http://localhost/status", header)
			r.Method = method
			_, err := open.Authenticate(r)
			assert.ErrorIs(t, err, want, "%s %s", method, header)
		}
	}
	// With tokens, who asks from where doesn't matter.
	r := request("http://evil.example/x", "Origin: https://evil.example", "Sec-Fetch-Site: cross-site", "x-goog-api-key: "+aliceToken)
	_, err = newAuthenticator(t, tokensOfAll).Authenticate(r)
	assert.NoError(t, err)
}

// jwt returns an identity token as Cloud Run hands it on.
func jwt(claims string) string {
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	return part(`{"alg":"RS256"}`) + "." + part(claims) + ".SIGNATURE_REMOVED_BY_GOOGLE"
}

func TestIAM(t *testing.T) {
	alice := "Bearer " + jwt(`{"email":"Alice@example.com","email_verified":true}`)
	app := "Bearer " + jwt(`{"email":"app@p.iam.gserviceaccount.com","email_verified":true}`)
	limits := `FLUXGATE_CALLERS={"alice@example.com":{"rpm":1}}`
	for _, tt := range []struct {
		name    string
		environ []string
		headers []string
		want    string
		admin   bool
		err     error
	}{
		{name: "a user", headers: []string{"Authorization: " + alice}, want: "alice@example.com"},
		{name: "a service account", headers: []string{"Authorization: " + app}, want: "app@p.iam.gserviceaccount.com"},
		{name: "Cloud Run looks at its own header first, and so must we",
			headers: []string{"Authorization: " + alice, "X-Serverless-Authorization: " + app}, want: "app@p.iam.gserviceaccount.com"},
		{name: "an API key that a client insists on", headers: []string{"Authorization: " + alice, "x-goog-api-key: dummy"}, want: "alice@example.com"},
		{name: "an address that isn't verified", headers: []string{"Authorization: Bearer " + jwt(`{"email":"a@b.c","email_verified":false}`)}, want: "iam"},
		{name: "no address", headers: []string{"Authorization: Bearer " + jwt(`{"sub":"1"}`)}, want: "iam"},
		{name: "an address that can't be a name", headers: []string{"Authorization: Bearer " + jwt(`{"email":"a/b@c\nx","email_verified":true}`)}, want: "iam"},
		{name: "claims of another type", headers: []string{"Authorization: Bearer " + jwt(`{"email":1,"email_verified":true}`)}, want: "iam"},
		{name: "not a JWT", headers: []string{"Authorization: Bearer ya29.x"}, want: "iam"},
		{name: "not base64", headers: []string{"Authorization: Bearer a.?.c"}, want: "iam"},
		{name: "nothing", want: "iam"},
		{name: "names in headers that anybody can set", headers: []string{"X-Goog-Authenticated-User-Email: accounts.google.com:alice@example.com",
			"X-Forwarded-User: alice@example.com", "X-Forwarded-Email: alice@example.com", "From: alice@example.com", "X-Fluxgate-Caller: alice@example.com"}, want: "iam"},
		{name: "an administrator's token beside it", environ: []string{rootsTokens}, headers: []string{"Authorization: " + alice, "x-goog-api-key: " + rootToken}, want: "root", admin: true},
		{name: "no administrator's token", environ: []string{rootsTokens}, headers: []string{"Authorization: " + alice, "x-goog-api-key: dummy"}, want: "alice@example.com"},
		{name: "an administrator's token in the place of the identity is never one", environ: []string{rootsTokens}, headers: []string{"Authorization: Bearer " + rootToken}, want: "iam"},

		// With callers' tokens IAM is the outer door, and the token names the caller.
		{name: "a token besides", environ: []string{tokensOfAll}, headers: []string{"Authorization: " + alice, "x-goog-api-key: " + bobToken}, want: "bob"},
		{name: "no token besides", environ: []string{tokensOfAll}, headers: []string{"Authorization: " + alice}, err: ErrMissing},
		{name: "a wrong token besides", environ: []string{tokensOfAll}, headers: []string{"Authorization: " + alice, "x-goog-api-key: dummy"}, err: ErrWrong},
		{name: "Authorization is free when Cloud Run has its own header", environ: []string{tokensOfAll},
			headers: []string{"X-Serverless-Authorization: " + app, "Authorization: Bearer " + bobToken}, want: "bob"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			environ := append(tt.environ, onCloud, withIAM, limits)
			b := newAuthenticator(t, environ...)
			got, err := b.Authenticate(request("/x", tt.headers...))
			if tt.err != nil {
				assert.ErrorIs(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tt.want, got.Name)
			assert.Equal(t, tt.admin, got.Admin)
			_, limited := configured(t, environ...).Callers[got.Name]
			assert.Equal(t, tt.want == "alice@example.com", limited, "limits go by the address")
		})
	}
}

func TestNewRefuses(t *testing.T) {
	_, err := New(configured(t, fromSecretS), nil, secrets.Options{})
	assert.ErrorContains(t, err, "no client")
	// A configuration that was put together by hand.
	cfg := configured(t)
	cfg.Tokens = config.TokenList{{Name: "a", Token: config.NewSecret("hunter2"), Where: "test"}}
	_, err = New(cfg, nil, secrets.Options{})
	require.EqualError(t, err, "test: its token has 7 characters: want 16 to 1024")
	cfg = configured(t)
	cfg.CORS = origins.List{"nonsense"}
	_, err = New(cfg, nil, secrets.Options{})
	assert.ErrorContains(t, err, "FLUXGATE_CORS")
}

func BenchmarkAuthenticate(b *testing.B) {
	// Every request pays for the comparison with every token.
	for _, n := range []int{1, 100, config.MaxTokens} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			list := "FLUXGATE_TOKENS="
			for i := range n {
				list += fmt.Sprintf("a:%016d,", i)
			}
			authenticator := newAuthenticator(b, list)
			r := request("/x", "x-goog-api-key: 0000000000000000")
			b.ReportAllocs()
			for b.Loop() {
				if _, err := authenticator.Authenticate(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// What was handed to a caller speaks for it as long as the token is one of its own that
// it was handed out for, and never for an administrator.
func TestProven(t *testing.T) {
	sign := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text))[8:] }
	of := func(callers, admins string) *Authenticator { return newAuthenticator(t, callers, admins) }
	alice, err := of(tokensOfAll, rootsTokens).Authenticate(request("/x", "x-goog-api-key: "+aliceToken))
	require.NoError(t, err)
	root, err := of(tokensOfAll, rootsTokens).Authenticate(request("/x", "x-goog-api-key: "+rootToken))
	require.NoError(t, err)
	hers, roots := alice.Proof(sign), root.Proof(sign)
	require.Len(t, hers, 12)
	assert.NotEqual(t, hers, roots)
	assert.Empty(t, Caller{Name: "alice"}.Proof(sign), "she came without a token")

	both := of("FLUXGATE_TOKENS=alice:"+aliceToken+",alice:"+wrongToken+",bob:"+bobToken, rootsTokens)
	only := of("FLUXGATE_TOKENS=alice:"+wrongToken+",bob:"+bobToken, rootsTokens)
	for _, c := range []struct {
		name        string
		a           *Authenticator
		who, proof  string
		want        bool
		explanation string
	}{
		{"hers", of(tokensOfAll, rootsTokens), "alice", hers, true, ""},
		{"while it is replaced", both, "alice", hers, true, ""},
		{"replaced", only, "alice", hers, false, "she has another token"},
		{"of a build that gave no proof", only, "alice", "", true, "she is a caller"},
		{"of nobody any more", of("FLUXGATE_TOKENS=bob:"+bobToken, rootsTokens), "alice", "", false, "she is none"},
		{"another's", of(tokensOfAll, rootsTokens), "bob", hers, false, ""},
		{"half", of(tokensOfAll, rootsTokens), "alice", hers[:6], false, ""},
		{"an administrator's", of(tokensOfAll, rootsTokens), "root", roots, true, ""},
	} {
		got, ok := c.a.Proven(t.Context(), c.who, c.proof, sign)
		assert.Equal(t, c.want, ok, "%s %s", c.name, c.explanation)
		if ok {
			assert.Equal(t, Caller{Name: c.who}, got, "no administrator")
		}
	}
}
