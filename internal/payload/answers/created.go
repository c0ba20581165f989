package answers

import (
	"cmp"
	"encoding/json"
	"time"

	"fluxgate.dev/fluxgate/internal/payload"
)

// Created is a resource that an answer tells of.
type Created struct {
	Name    string
	Expires time.Time // zero: it doesn't say
}

// CreatedResources returns the project's resources that an answer says were made or
// changed. Only members that upstream fills in are looked at.
func CreatedResources(answer []byte) []Created {
	type resource struct {
		Name string `json:"name"`
		// Of files and of cached contents.
		ExpirationTime string `json:"expirationTime"`
		ExpireTime     string `json:"expireTime"`
	}
	var made struct {
		resource
		File resource `json:"file"`
	}
	if json.Unmarshal(answer, &made) != nil {
		return nil
	}
	var all []Created
	for _, r := range []resource{made.resource, made.File} {
		if r.Name == "" || payload.ResourceName(r.Name) != r.Name {
			continue
		}
		expires, _ := time.Parse(time.RFC3339Nano, cmp.Or(r.ExpirationTime, r.ExpireTime))
		all = append(all, Created{r.Name, expires})
	}
	return all
}
