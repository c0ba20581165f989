package answers

import (
	"encoding/json"
	"strings"
)

// Prepend puts entries before those of a list in a JSON object, whatever else
// that holds. What it doesn't understand stays as it is.
func Prepend(page []byte, member string, entries ...any) []byte {
	var fields map[string]json.RawMessage
	var list []json.RawMessage
	if json.Unmarshal(page, &fields) != nil || json.Unmarshal(fields[member], &list) != nil {
		return page
	}
	all := append([]any{}, entries...) // a list that is empty is one
	for _, x := range list {
		all = append(all, x)
	}
	var err error
	if fields[member], err = json.Marshal(all); err != nil {
		return page
	}
	out, err := json.Marshal(fields)
	if err != nil {
		return page
	}
	return out
}

// NextPage returns the token of the page that follows, and whether this one has
// nothing on it. The member holds the list.
func NextPage(page []byte, member string) (token string, empty bool) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(page, &fields) != nil {
		return "", false
	}
	var list []json.RawMessage
	_ = json.Unmarshal(fields[NextPageToken], &token) // none is none
	return token, json.Unmarshal(fields[member], &list) != nil || len(list) == 0
}

// SetNextPage replaces the token of the page that follows. What it doesn't
// understand stays as it is.
func SetNextPage(page []byte, token string) []byte {
	var fields map[string]json.RawMessage
	raw, err := json.Marshal(token)
	if err != nil || json.Unmarshal(page, &fields) != nil || fields == nil {
		return page
	}
	fields[NextPageToken] = raw
	out, err := json.Marshal(fields)
	if err != nil {
		return page
	}
	return out
}

// NextPageToken is the member of a page with the token of the one that follows.
const NextPageToken = "nextPageToken"

// UnfinishedJobs returns how many jobs of a page of batches aren't over.
func UnfinishedJobs(page []byte) (n int) {
	var in struct {
		Operations []struct {
			Done     bool
			Metadata struct{ State string }
		}
	}
	if json.Unmarshal(page, &in) != nil {
		return 0
	}
	for _, job := range in.Operations {
		switch state := job.Metadata.State; {
		case job.Done, strings.HasSuffix(state, "_SUCCEEDED"), strings.HasSuffix(state, "_FAILED"),
			strings.HasSuffix(state, "_CANCELLED"), strings.HasSuffix(state, "_EXPIRED"):
		default:
			n++
		}
	}
	return n
}
