// Package geminisim is a simulated Gemini API for tests, demonstrations and
// benchmarks: an [http.Handler], and a [http.RoundTripper] that reaches it
// without a socket, which enforce requests per minute (RPM), input tokens per
// minute (TPM) and requests per Pacific day (RPD) and refuse with the error
// bodies of the real service.
//
//	sim := geminisim.New(geminisim.Config{
//		Keys: []geminisim.Key{{Value: "k1", Project: "alpha"}, {Value: "k2"}},
//	})
//	client := &http.Client{Transport: sim.Transport()}
//	// … send requests to http://gemini.test/v1beta/models/…, then:
//	sim.Stats()                            // accepted and refused requests
//	sim.Peak("alpha", "gemini-2.5-flash")  // busiest trailing minute
//	sim.RequestLog()                       // what each request carried
//
// # What is modelled
//
// What is modelled, and which behaviours were captured, documented or guessed, is said where it
// is done:
//
//   - package quota: limits, windows and days, their refusals; billing accounts; standings
//   - package models: which models there are, aliases, models that come, change and go
//   - package credentials: keys, their states, and where a request may have them
//   - package answers: what is answered, and what a prompt can order
//   - package faults: failures that a test orders
//   - package journal: what a test observes
//   - package wire: what is taken for JSON, bodies, errors, what a request costs in tokens
//   - package tokeniser: the tokens of a text
//   - package files: uploads, files, and where requests mention them
//   - package caches: cached contents
//   - package interactions: conversations that are kept
//   - package openai: the routes in OpenAI's format
//   - package resources: what belongs to a project for a time, and lists in pages
//   - package exchange: an answer on its way to the client
//   - package longrunning: batches, videos and file search stores
//   - package live: sessions of the Live API, and ephemeral tokens
//
// Surface, under /v1beta/, /v1/ and /v1alpha/, which are one here (documented of
// v1alpha: it has parts that the others lack): models (list and get), generateContent,
// streamGenerateContent (server-sent events with alt=sse, else a JSON array),
// countTokens in both forms, embedContent, batchEmbedContents (charged per
// text), and openai/chat/completions, openai/embeddings, openai/models, whose
// errors are wrapped in an array; and those of the packages above. Only generating
// and embedding costs quota.
//
// What goes on after the answer: batches, videos (predictLongRunning) and file search stores
// are modelled in package longrunning, whose comment says where each behaviour is from. A
// video costs a request of its model, and so does an image, by predict or by OpenAI's
// images/generations (documented that both are there), and by generateContent of a model for images
// that isn't asked for text alone (documented: it is what they do by default). Search grounds nothing here: it counts only. A batch costs nothing here: its quota is
// its own (documented).
//
// # What is not modelled
//
//   - Whether the real service charges a request that mentions a resource it may
//     not use. Here it doesn't.
//   - That models for text refuse to make images. They answer with text.
//   - Tuned models, speech generation, text beside an image, several images in an answer of
//     generateContent, thinking, safety filters, several candidates, stop sequences and
//     temperature.
//   - The real tokeniser, the real latency, and the real answer.
//
// Files, from the top down; a file calls only those below it:
//
//   - server.go: Server and its Config
//   - control.go: what tests change while it runs
//   - observe.go: what tests observe
//   - transport.go: Transport, which reaches the server without a socket
//   - handler.go: ServeHTTP, a request from its arrival to the route that answers it
//   - sessions.go: what package live knows of the rest, and ephemeral tokens
//   - longrunning.go: what package longrunning serves, and has of the rest
//   - images.go: images, natively and in OpenAI's format
//   - embed.go: embeddings
//   - generate.go: generating, streaming and counting
//   - modelslist.go: the models list
//   - uploads.go: whose an upload is
//   - admit.go: a request charged to the quota, refused, or failed as ordered, and its latency
//   - respond.go: errors written
//   - record.go: what the journal is told of a request
//   - routes.go: which operation a method and path mean
//   - random.go: IDs and jitter, the same for the same seed
package geminisim
