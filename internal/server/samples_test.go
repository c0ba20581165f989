package server_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/scheduler"
)

// A sample is one request as Google's samples for curl send it (the shell scripts of generative-ai-python and
// api-examples, the notebooks of the cookbook for REST, as of November 2026): the same routes and shapes of bodies, with
// words of our own. FILE, CACHE and TURN stand for what was made before; MODELS is the path of a model.
type sample struct {
	what, method, path, body string
	charged                  map[string]int64 // requests, by calendar; nil: nothing
}

// The image, the text and the sound of the samples.
const smallMedia = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

// samples are in the order in which they are sent.
var samples = func() []sample {
	const (
		unary, streamed, sse, count = ":generateContent", ":streamGenerateContent", ":streamGenerateContent?alt=sse", ":countTokens"
		embed, batch                = "/v1beta/models/" + embedder + ":embedContent", "/v1beta/models/" + embedder + ":batchEmbedContents"
		caches                      = "/v1beta/cachedContents"
	)
	one := map[string]int64{flash: 1}
	with := func(feature string) map[string]int64 {
		return map[string]int64{flash: 1, scheduler.OfFeature("", feature): 1} // a model's own counts once it is known to have one
	}
	list := []sample{
		{"text", "POST", unary, "{\n      \"contents\": [{\n        \"parts\":[{\"text\": \"Tell of a kettle.\"}]\n        }]\n       }", one},
		{"text, streamed", "POST", sse, "{ \"contents\":[{\"parts\":[{\"text\": \"Tell of a kettle.\"}]}]}", one},
		{"text, streamed as a list", "POST", streamed, "{ \"contents\":[{\"parts\":[{\"text\": \"Tell of a kettle.\"}]}]}", one},
		{"an image", "POST", unary, "{\n      \"contents\": [{\n        \"parts\":[\n            {\"text\": \"What is it?\"},\n            {\n              \"inline_data\": {\n                \"mime_type\":\"image/png\",\n                \"data\": \"" + smallMedia + "\"\n              }\n            }\n        ]\n        }]\n       }", one},
		{"a chat", "POST", unary, "{\n      \"contents\": [\n        {\"role\":\"user\",\n         \"parts\":[{\n           \"text\": \"Good day\"}]},\n        {\"role\": \"model\",\n         \"parts\":[{\n           \"text\": \"To you, too. \\n\"}]},\n        {\"role\":\"user\",\n         \"parts\":[{\n           \"text\": \"How many legs have 3 cats? 🐈\"}]},\n      ]\n    }", one},
		{"a chat with an image, streamed", "POST", sse, "{\n        \"contents\": [\n            {\n                \"role\": \"model\",\n                \"parts\": [\n                    {\n                        \"text\": \"Surely.\"\n                    },\n                ]\n            },\n            {\n                \"role\": \"user\",\n                \"parts\": [\n                    {\n                        \"inline_data\": {\n                            \"mime_type\": \"image/png\",\n                            \"data\": \"" + smallMedia + "\"\n                        }\n                    }\n                ]\n            }\n        ]\n    }", one},
		{"settings", "POST", unary, "{\n        \"contents\": [{\n            \"parts\":[\n                {\"text\": \"How do clocks go?\"}\n            ]\n        }],\n        \"safetySettings\": [\n            {\n                \"category\": \"HARM_CATEGORY_HARASSMENT\",\n                \"threshold\": \"BLOCK_ONLY_HIGH\"\n            }\n        ],\n        \"generationConfig\": {\n            \"stopSequences\": [\n                \"Title\"\n            ],\n            \"temperature\": 0.9,\n            \"maxOutputTokens\": 800,\n            \"topP\": 0.8,\n            \"topK\": 10,\n        }\n    }", one},
		{"a schema", "POST", unary, "{\n    \"contents\": [{\n      \"parts\":[\n        {\"text\": \"Name 3 soups\"}\n        ]\n    }],\n    \"generationConfig\": {\n        \"response_mime_type\": \"application/json\",\n        \"response_schema\": {\n          \"type\": \"ARRAY\",\n          \"items\": {\n            \"type\": \"OBJECT\",\n            \"properties\": {\n              \"soup\": {\"type\":\"STRING\"},\n            }\n          }\n        }\n    }\n}", one},
		{"a schema in words, over lines", "POST", unary, "{\n    \"contents\": [{\n      \"parts\":[\n        {\"text\": \"Name 3 soups like this:\n\n            Soup = {\\\"soup\\\": str}\n            Return: list[Soup]\"\n        }\n      ]\n    }],\n    \"generationConfig\": { \"response_mime_type\": \"application/json\" }\n}", one},
		{"a schema whose quotes the shell took", "POST", unary, "{\n    \"contents\": [{\n      \"parts\":[\n        {\"text\": \"Name 3 soups like this:\n          {type: object, properties: { soup: {type: string}}}\"\n          }\n        ]\n    }],\n    \"generationConfig\": {\n        \"response_mime_type\": \"application/json\",\n    }\n}", one},
		{"an instruction", "POST", unary, "{ \"system_instruction\": {\n    \"parts\":\n      { \"text\": \"You are a dog.\"}},\n    \"contents\": {\n      \"parts\": {\n        \"text\": \"Good day\"}}}", one},
		{"thinking", "POST", unary, "{\"contents\":[{\"parts\":[{\"text\":\"Why?\"}]}],\n\"generationConfig\": {\"thinkingConfig\": {\"thinkingBudget\": 24, \"includeThoughts\": true}}}\n", one},
		{"code", "POST", unary, " {\"tools\": [{\"code_execution\": {}}],\n    \"contents\": {\n      \"parts\": \n        {\n            \"text\": \"Add 1 to 2 by a program.\"\n        }\n    },\n}", one},
		{"code, in a chat", "POST", unary, "{\"tools\": [{\"code_execution\": {}}],\n    \"contents\": [\n        {\n            \"role\": \"user\",\n            \"parts\": [{\n                \"text\": \"Say \\\"day\\\"!\"\n            }]\n        },{\n            \"role\": \"model\",\n            \"parts\": [\n               {\n                 \"text\": \"\"\n               },\n               {\n                 \"executable_code\": {\n                   \"language\": \"PYTHON\",\n                   \"code\": \"\\nprint(\\\"day\\\")\\n\"\n                 }\n               },\n               {\n                 \"code_execution_result\": {\n                   \"outcome\": \"OUTCOME_OK\",\n                   \"output\": \"day\\n\"\n                 }\n               }\n             ],\n        },{\n            \"role\": \"user\",\n            \"parts\": [{\n                \"text\": \"And now?\"\n            }]\n        }\n    ]\n}", one},
		{"search", "POST", unary, "{\n      \"contents\": [\n          {\n              \"parts\": [\n                  {\"text\": \"Who won?\"}\n              ]\n          }\n      ],\n      \"tools\": [\n          {\n              \"google_search\": {}\n          }\n      ]\n  }", with(payload.SearchFeature)},
		{"maps", "POST", unary, "{\n  \"contents\": [{\n    \"role\": \"user\",\n    \"parts\": [{\n      \"text\": \"Where is soup?\"\n    }]\n  }],\n  \"tools\": [{\"googleMaps\": {}}],\n  \"toolConfig\": {\n    \"retrievalConfig\": {\n      \"latLng\": {\"latitude\": 48.5, \"longitude\": -11.25}\n    }\n  }\n}", with(payload.MapsFeature)},
		{"count", "POST", count, "{\n      \"contents\": [{\n        \"parts\":[{\n          \"text\": \"A kettle sings.\"\n          }],\n        }],\n      }", nil},
		{"count of a chat", "POST", count, "{\n      \"contents\": [\n        {\"role\": \"user\",\n        \"parts\": [{\"text\": \"I am Ann.\"}],\n        },\n        {\"role\": \"model\",\n         \"parts\":[{\"text\": \"Good day\"}],\n        },\n      ],\n      }", nil},
		{"count of an image", "POST", count, "{\n      \"contents\": [{\n        \"parts\":[\n            {\"text\": \"What is it?\"},\n            {\n              \"inline_data\": {\n                \"mime_type\":\"image/png\",\n                \"data\": \"" + smallMedia + "\"\n              }\n            }\n        ]\n        }]\n       }", nil},
		{"count of a file", "POST", count, "{\n      \"contents\": [{\n        \"parts\":[\n          {\"text\": \"What is it?\"},\n          {\"file_data\":\n            {\"mime_type\": \"text/plain\", \n            \"file_uri\": \"FILE\"}\n          }]\n        }]\n       }", nil},
		{"a file", "POST", unary, "{\n      \"contents\": [{\n        \"parts\":[\n          {\"text\": \"Go on\"},\n          {\"file_data\":{\"mime_type\": \"text/plain\", \"file_uri\": \"FILE\"}}]\n        }]\n       }", one},
		{"a file, streamed", "POST", sse, "{\n      \"contents\": [{\n        \"parts\":[\n          {\"text\": \"Go on\"},\n          {\"file_data\": {\n            \"mime_type\": \"text/plain\",\n            \"file_uri\": \"FILE\"}}]\n        }]\n       }", one},
		{"files", "GET", "/v1beta/files", "", nil},
		{"its state", "GET", "/v1beta/FILENAME", "", nil},
		{"an embedding", "POST", embed, "{\"model\": \"models/" + embedder + "\",\n    \"content\": {\n    \"parts\":[{\n      \"text\": \"Good day\"}]}, }", map[string]int64{embedder: 1}},
		{"an embedding of a size", "POST", embed, "{\"model\": \"models/" + embedder + "\",\n    \"output_dimensionality\":256,\n    \"content\": {\n    \"parts\":[{\n      \"text\": \"Good day\"}]}, }", map[string]int64{embedder: 1}},
		{"an embedding for a task", "POST", embed, "{\"model\": \"models/" + embedder + "\",\n    \"content\": {\n    \"parts\":[{\n      \"text\": \"Good day\"}]},\n    \"task_type\": \"RETRIEVAL_DOCUMENT\" \n    }", map[string]int64{embedder: 1}},
		{"embeddings", "POST", batch, "{\"requests\": [{\n      \"model\": \"models/" + embedder + "\",\n      \"content\": {\n      \"parts\":[{\n        \"text\": \"What is soup?\"}]}, },\n      {\n      \"model\": \"models/" + embedder + "\",\n      \"content\": {\n      \"parts\":[{\n        \"text\": \"How do kettles sing?\"}]}, },\n      {\n      \"model\": \"models/" + embedder + "\",\n      \"content\": {\n      \"parts\":[{\n        \"text\": \"Why?\"}]}, }, ]}", map[string]int64{embedder: 3}},
		{"models", "GET", "/v1beta/models", "", nil},
		{"a model", "GET", "/v1beta/models/" + flash, "", nil},
		{"a cache", "POST", caches, "{\n  \"model\": \"models/" + flash + "\",\n  \"contents\":[\n    {\n      \"parts\":[\n        {\n          \"inline_data\": {\n            \"mime_type\":\"text/plain\",\n            \"data\": \"" + strings.Repeat("QSBrZXR0bGUgc2luZ3Mu", 2000) + "\"\n          }\n        }\n      ],\n    \"role\": \"user\"\n    }\n  ],\n  \"systemInstruction\": {\n    \"parts\": [\n      {\n        \"text\": \"You know of kettles.\"\n      }\n    ]\n  },\n  \"ttl\": \"300s\"\n}\n", nil},
		{"caches", "GET", caches, "", nil},
		{"one of them", "GET", "/v1beta/CACHE", "", nil},
		{"by a cache", "POST", unary, "{\n      \"contents\": [\n        {\n          \"parts\":[{\n            \"text\": \"Sum it up\"\n          }],\n          \"role\": \"user\"\n        },\n      ],\n      \"cachedContent\": \"CACHE\"\n    }", one},
		{"its time", "PATCH", "/v1beta/CACHE", "{\"ttl\": \"600s\"}", nil},
		{"its end", "DELETE", "/v1beta/CACHE", "", nil},
		{"an interaction", "POST", interactionsPath, "{\n    \"model\": \"" + flash + "\",\n    \"input\": \"Good day\"\n  }", one},
		{"an interaction of several turns", "POST", interactionsPath, "{\n    \"model\": \"" + flash + "\",\n    \"input\": [\n      { \"type\": \"user_input\", \"content\": [{ \"type\": \"text\", \"text\": \"Good day\" }] },\n      { \"type\": \"model_output\", \"content\": [{ \"type\": \"text\", \"text\": \"To you, too\" }] },\n      { \"type\": \"user_input\", \"content\": [{ \"type\": \"text\", \"text\": \"Why?\" }] }\n    ]\n  }", one},
		{"an interaction about an image", "POST", interactionsPath, "{\n    \"model\": \"" + flash + "\",\n    \"input\": [\n      {\n        \"type\": \"text\",\n        \"text\": \"What is it?\"\n      },\n      {\n        \"type\": \"image\",\n        \"data\": \"" + smallMedia + "\",\n        \"mime_type\": \"image/png\"\n      }\n    ]\n  }", one},
		{"an interaction with a function", "POST", interactionsPath, "{\n    \"model\": \"" + flash + "\",\n    \"tools\": [\n      {\n        \"type\": \"function\",\n        \"name\": \"boil\",\n        \"description\": \"Boil water\",\n        \"parameters\": {\n          \"type\": \"object\",\n          \"properties\": {\n            \"litres\": {\n              \"type\": \"string\"\n            }\n          },\n          \"required\": [\n            \"litres\"\n          ]\n        }\n      }\n    ],\n    \"input\": \"Boil 2 l\"\n  }", one},
		{"what came of it", "GET", "/v1beta/interactions/TURN", "", nil},
		{"its end", "DELETE", "/v1beta/interactions/TURN", "", nil},
		{"the file's end", "DELETE", "/v1beta/FILENAME", "", nil},
	}
	for mode, config := range map[string]string{"none": `{"mode": "none"}`, "auto": `{"mode": "auto"}`, "any": "{\n        \"mode\": \"any\",\n        \"allowed_function_names\": [\"boil\", \"stop\"]\n      }"} {
		list = append(list, sample{"functions, " + mode, "POST", unary, "\n  {\n    \"system_instruction\": {\n      \"parts\": {\n        \"text\": \"You are a kettle.\"\n      }\n    },\n    \"tools\": [ {\n  \"function_declarations\": [\n    {\n      \"name\": \"boil\",\n      \"description\": \"Boil water.\",\n      \"parameters\": { \"type\": \"object\" }\n    },\n    {\n      \"name\": \"stop\",\n      \"description\": \"Stop.\"\n    }\n  ]\n}  ],\n\n    \"tool_config\": {\n      \"function_calling_config\": " + config + "\n    },\n\n    \"contents\": {\n      \"role\": \"user\",\n      \"parts\": {\n        \"text\": \"Boil, please.\"\n      }\n    }\n  }\n", one})
	}
	return append(list, sample{"what a function said", "POST", unary, "{\n    \"contents\": [{\n      \"role\": \"user\",\n      \"parts\": [{\n        \"text\": \"Boil, please.\"\n    }]\n  }, {\n    \"role\": \"model\",\n    \"parts\": [{\n      \"functionCall\": {\n        \"name\": \"boil\",\n        \"args\": {\n          \"litres\": \"2\"\n        }\n      }\n    }]\n  }, {\n    \"role\": \"function\",\n    \"parts\": [{\n      \"functionResponse\": {\n        \"name\": \"boil\",\n        \"response\": {\n          \"name\": \"boil\",\n          \"content\": {\n            \"done\": [true, ]\n          }\n        }\n      }\n    }]\n  }]\n}", one})
}()

// counted is how many requests of the day each calendar of the projects has.
func (w *world) counted() map[string]int64 {
	w.t.Helper()
	all := make(map[string]int64)
	for _, k := range w.cfg.Keys {
		states, err := w.store.View(context.Background(), []string{k.Project})
		require.NoError(w.t, err)
		if states[0] == nil {
			continue
		}
		for _, c := range states[0].Calendars {
			for _, x := range c.Days {
				all[c.Model] += x.Requests
			}
		}
	}
	return all
}

// Each of Google's samples arrives at Gemini on the route on which it was sent, byte for byte and as JSON, is taken by it,
// and is charged to the calendars of what it asks for and to no others; with the key in the URL or in the header, and with
// whichever type curl gives it.
func TestGooglesSamplesPass(t *testing.T) {
	for _, key := range []struct{ how, query, header string }{{"in the URL", "key=of-the-caller", ""}, {"in a header", "", "of-the-caller"}} {
		for _, kind := range []string{"application/json", "application/x-www-form-urlencoded"} {
			t.Run("key "+key.how+", "+kind, func(t *testing.T) {
				up, s := stubbed(nil)
				s.keys = projects("alpha", "beta")
				s.env = []string{"FLUXGATE_CHAIN=" + pro + "," + flash, `FLUXGATE_LIMITS={"flash":{"rpm":1000,"rpd":1000},"` + embedder + `":{"rpm":1000,"rpd":1000}}`}
				s.sim = func(c *geminisim.Config) {
					c.UploadGranularity = 1
					c.Limits[flash] = geminisim.Limits{RPM: 1000, TPM: 1_000_000, RPD: 1000}
				}
				w := newWorld(t, s)
				send := func(method, path, body string, header ...string) (answer, heard) {
					before := len(up.requests(""))
					if key.query != "" {
						path += map[bool]string{true: "&", false: "?"}[strings.Contains(path, "?")] + key.query
					} else {
						header = append(header, "X-Goog-Api-Key", key.header)
					}
					a := w.do(method, path, body, header...)
					require.Less(t, a.Code, 300, "%s %s: %s", method, path, a.Body.String())
					sent := up.requests("")[before:]
					require.NotEmpty(t, sent, path)
					h := sent[len(sent)-1]
					for _, x := range sent { // a list is asked of each project, and what weighs much may be counted first
						assert.NotContains(t, x.url, key.query+key.header)
						assert.NotContains(t, x.header.Get("X-Goog-Api-Key"), "of-the-caller")
						if strings.HasSuffix(x.path, strings.SplitN(path, "?", 2)[0]) {
							h = x
						}
					}
					return a, h
				}

				// A file is uploaded in two steps, of which the first names it in single quotes.
				const named, content = `{'file': {'display_name': 'TEXT'}}`, "A kettle sings.\n"
				start, h := send("POST", "/upload/v1beta/files", named, "Content-Type", kind, "X-Goog-Upload-Protocol", "resumable", "X-Goog-Upload-Command", "start",
					"X-Goog-Upload-Header-Content-Length", "16", "X-Goog-Upload-Header-Content-Type", "text/plain")
				assert.Equal(t, named, string(h.body))
				assert.Equal(t, "/upload/v1beta/files", h.path)
				u, err := url.Parse(start.Header().Get("X-Goog-Upload-URL"))
				require.NoError(t, err)
				end := w.do("POST", u.RequestURI(), content, "X-Goog-Upload-Offset", "0", "X-Goog-Upload-Command", "upload, finalize", "Content-Type", "application/x-www-form-urlencoded")
				require.Equal(t, http.StatusOK, end.Code, end.Body.String())
				sent := up.requests("")
				assert.Equal(t, content, string(sent[len(sent)-1].body))
				var made struct{ File struct{ Name, URI string } }
				require.NoError(t, json.Unmarshal(end.Body.Bytes(), &made))
				require.NotEmpty(t, made.File.URI)

				var cache, turn string
				for _, x := range samples {
					fill := func(s string) string {
						return strings.NewReplacer("FILENAME", made.File.Name, "FILE", made.File.URI, "CACHE", cache, "TURN", turn).Replace(s)
					}
					path, body, before := fill(x.path), fill(x.body), w.counted()
					if strings.HasPrefix(path, ":") {
						path = "/v1beta/models/" + flash + path
					}
					var header []string
					if body != "" {
						header = []string{"Content-Type", kind}
					}
					a, h := send(x.method, path, body, header...)
					wantPath, wantQuery, _ := strings.Cut(path, "?")
					assert.Equal(t, x.method, h.method, x.what)
					assert.Equal(t, wantPath, h.path, x.what)
					if x.method != "GET" { // lists are asked for by pages
						assert.Equal(t, wantQuery, h.r.URL.RawQuery, x.what)
					}
					assert.Equal(t, body, string(h.body), x.what)
					if body != "" {
						assert.Equal(t, "application/json", h.header.Get("Content-Type"), x.what)
					}
					charged := make(map[string]int64)
					for name, n := range w.counted() {
						if n -= before[name]; n != 0 {
							charged[name] = n
						}
					}
					want := x.charged
					if want == nil {
						want = map[string]int64{}
					}
					assert.Equal(t, want, charged, x.what)
					var out struct{ Name, ID string }
					switch _ = json.Unmarshal(a.Body.Bytes(), &out); {
					case x.what == "a cache":
						cache = out.Name
					case x.what == "an interaction":
						turn = out.ID
					}
				}
				assert.Zero(t, w.sim.Stats().Refused)
			})
		}
	}
}

// Two samples are of what Google has shut down. The one whose route is a model's is Google's to answer, and arrives as it was
// sent; the other is told so here, and isn't sent.
func TestGooglesRetiredSamplesAreTold(t *testing.T) {
	up, s := stubbed(nil)
	w := newWorld(t, s)
	const drawn = "{\n    \"instances\": [\n        {\n            \"prompt\": \"a kettle\"\n        }\n    ],\n    \"parameters\": {\n        \"sampleCount\": 1,\n        \"aspectRatio\": \"1:1\",\n    }\n}"
	f := w.do("POST", "/v1beta/models/imagen-4.0-fast:predict", drawn, "Content-Type", "application/x-www-form-urlencoded").failed(http.StatusNotFound)
	assert.Contains(t, f.Message, "models/imagen-4.0-fast is not found for API version v1beta")
	assert.Equal(t, drawn, string(up.only(t, "/models/imagen-4.0-fast:predict").body))
	f = w.do("POST", "/v1beta/tunedModels", `{"display_name":"kettles","base_model":"models/gemini-1.5-flash-001-tuning"}`, "Content-Type", "application/json").failed(http.StatusNotImplemented)
	assert.Equal(t, "POST /v1beta/tunedModels isn't served here. Google has shut down tuning in this API.", f.Message)
	assert.Len(t, up.requests(""), 1)
}
