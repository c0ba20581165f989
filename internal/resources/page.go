package resources

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Place says where a list goes on that is in the order of Compare: behind this one, whether
// it is still there or not.
func (r Resource) Place() string {
	until := int64(0)
	if !r.Expires.IsZero() {
		until = r.Expires.Unix()
	}
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %s %s", until, r.Name, r.Project))
}

// ParsePlace returns what of a resource its Place says.
func ParsePlace(token string) (last Resource, ok bool) {
	text, err := base64.RawURLEncoding.DecodeString(token)
	parts := strings.SplitN(string(text), " ", 3)
	if err != nil || len(parts) != 3 {
		return last, false
	}
	until, err := strconv.ParseInt(parts[0], 10, 64)
	if until != 0 {
		last.Expires = time.Unix(until, 0)
	}
	last.Name, last.Project = parts[1], parts[2]
	return last, err == nil
}
