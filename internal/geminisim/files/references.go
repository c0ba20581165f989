package files

import (
	"encoding/json"
	"regexp"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// fileReference finds the file that a fileData means. Any host will do: what is
// behind it is this server or a proxy before it.
var fileReference = regexp.MustCompile(`^(?:(?:https?://[^/]*)?/?v1(?:beta)?/)?files/([^/?#]+)$`)

// Resolve looks up the files that a project's request refers to, and notes what they cost.
func (s *Service) Resolve(req *wire.GenerateRequest, project string, at time.Time) *wire.Error {
	for i := range req.Contents {
		if err := s.resolveParts(req.Contents[i].Parts, project, at); err != nil {
			return err
		}
	}
	if req.SystemInstruction != nil {
		return s.resolveParts(req.SystemInstruction.Parts, project, at)
	}
	return nil
}

func (s *Service) resolveParts(parts []wire.Part, project string, at time.Time) *wire.Error {
	for i := range parts {
		p := &parts[i]
		if p.FileData == nil {
			continue
		}
		var data struct {
			URI  string `json:"fileUri"`
			URIS string `json:"file_uri"`
		}
		if err := json.Unmarshal(p.FileData, &data); err != nil {
			return wire.InvalidArgument("Invalid value at 'file_data': " + err.Error())
		}
		uri, _, _ := strings.Cut(data.URI+data.URIS, "?")
		found := fileReference.FindStringSubmatch(uri)
		if found == nil {
			continue // elsewhere: not ours to know
		}
		f, ok := s.lookup(found[1], project, at)
		if !ok {
			return errFile(found[1])
		}
		p.FileTokens = wire.DocumentTokens(f.size)
	}
	return nil
}
