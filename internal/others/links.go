package others

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"fluxgate.dev/fluxgate/internal/openailist"
	"fluxgate.dev/fluxgate/internal/proxies"
	"fluxgate.dev/fluxgate/internal/routes"
)

// Relink returns an answer in which the URLs of a route's member that lead to the provider lead
// here instead: clients follow them, with what they have for a key. All else stays byte for byte.
func Relink(r *http.Request, route *routes.Route, answer []byte) []byte {
	if route.Links == "" {
		return answer
	}
	for _, object := range append(openailist.Entries(answer), answer) {
		var members map[string]json.RawMessage
		var theirs string
		if json.Unmarshal(object, &members) != nil || json.Unmarshal(members[route.Links], &theirs) != nil {
			continue
		}
		u, err := url.Parse(theirs)
		if err != nil {
			continue
		}
		_, path, ok := strings.Cut(u.Path, "/"+route.Base.Upstream())
		if !ok {
			continue
		}
		ours, err := json.Marshal(proxies.OutsideOf(r).URL(route.Base.Roots()[0]+path, ""))
		if err == nil {
			answer = bytes.ReplaceAll(answer, members[route.Links], ours)
		}
	}
	return answer
}
