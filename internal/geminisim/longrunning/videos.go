package longrunning

import (
	"time"
)

// videoTime is how long a video takes.
const videoTime = 2 * time.Second

// A video is an operation that makes one.
type video struct {
	project, prompt string
	created         time.Time
	file            string // once it is made
}

// CreateVideo serves predictLongRunning of a model.
func (s *Service) CreateVideo(r Request, model string) Answer {
	var in struct{ Instances []struct{ Prompt string } }
	if read(r.Body, &in) != nil || len(in.Instances) != 1 {
		return invalid("Exactly one instance is wanted.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name := "models/" + model + "/operations/" + s.host.NewID(12)
	s.videos[name] = &video{project: r.Project, prompt: in.Instances[0].Prompt, created: s.host.Now()}
	return ok(object{"name": name})
}

// operation serves GET of one. The caller holds s.mu.
func (s *Service) operation(r Request) Answer {
	v := s.videos[r.Path]
	switch {
	case v == nil || v.project != r.Project:
		return notFound(r.Path)
	case s.host.Now().Before(v.created.Add(videoTime)):
		return ok(object{"name": r.Path})
	case v.file == "":
		v.file = s.host.NewID(12)
		s.host.Keep(v.project, v.file, "video/mp4", []byte("A video of "+v.prompt))
	}
	sample := object{"video": object{"uri": r.Base + "/v1beta/files/" + v.file + ":download?alt=media"}}
	return ok(object{"name": r.Path, "done": true, "response": object{
		"@type":                 "type.googleapis.com/google.ai.generativelanguage.v1beta.PredictLongRunningResponse",
		"generateVideoResponse": object{"generatedSamples": []any{sample}},
	}})
}
