package live

import (
	"encoding/json"
	"strings"
)

// A clientMessage is what a client says.
type clientMessage struct {
	Setup         *setup         `json:"setup"`
	ClientContent *clientContent `json:"clientContent"`
	RealtimeInput *struct {
		Text string `json:"text"`
	} `json:"realtimeInput"`
}

type setup struct {
	Model             string `json:"model"`
	SessionResumption *struct {
		Handle string `json:"handle"`
	} `json:"sessionResumption"`
	SystemInstruction *content `json:"systemInstruction"`
}

type clientContent struct {
	Turns        []content `json:"turns"`
	TurnComplete bool      `json:"turnComplete"`
}

type content struct {
	Parts []struct {
		Text string `json:"text"`
	} `json:"parts"`
}

func (c *content) text() string {
	var b strings.Builder
	if c != nil {
		for _, p := range c.Parts {
			b.WriteString(p.Text)
		}
	}
	return b.String()
}

// object is a message of the server's.
type object map[string]any

func (o object) bytes() []byte {
	text, err := json.Marshal(o)
	if err != nil {
		panic(err) // it is made of strings and numbers
	}
	return text
}

func said(text string) object {
	return object{"serverContent": object{"modelTurn": object{"role": "model", "parts": []object{{"text": text}}}}}
}

// A Usage is what a turn costs, in tokens.
type Usage struct {
	Prompt   int64 // of all that was said so far
	Cached   int64 // of Prompt
	Tools    int64
	Response int64
	Thoughts int64
}

func over(u Usage) object {
	told := object{"promptTokenCount": u.Prompt, "responseTokenCount": u.Response, "totalTokenCount": u.Prompt + u.Tools + u.Response + u.Thoughts}
	for name, n := range map[string]int64{"cachedContentTokenCount": u.Cached, "toolUsePromptTokenCount": u.Tools, "thoughtsTokenCount": u.Thoughts} {
		if n > 0 {
			told[name] = n
		}
	}
	return object{"serverContent": object{"turnComplete": true}, "usageMetadata": told}
}
