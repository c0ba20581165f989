// Package server is Fluxgate over HTTP: it decodes a request, sizes it, has the
// gate admit it, sends it upstream with the key of the granted project, settles
// it, and says in every case what happened.
//
// A handler returns an error; one place turns it into an answer. Errors carry a
// public message and a private cause: the first goes to the caller in Gemini's
// own error shape, the second to the log.
//
// A refusal for want of quota is not an error but a value, the gate's Wait. It
// is answered with 429 and the exact time to come back, in every form that
// clients are known to read. The server never sleeps on behalf of a caller.
//
// # The relay
//
// Gemini's own routes and those of its OpenAI-compatible endpoint are relayed:
// the body goes upstream byte for byte and the answer comes back byte for byte,
// fields that nobody has heard of included. Three things change: the credentials,
// of which upstream gets exactly one; the model, where it is "auto" or may fall
// back; and an error on an OpenAI route, which upstream sends in a shape of its
// own. The body is read only for what decides where it may go and what it weighs:
// media, how many texts there are to embed, and the files and cached contents that
// tie it to the project which owns them. Paths are put together here from names
// that were checked, and headers and query parameters pass by lists, so no request
// can reach another host or another part of the API.
//
// Pieces of an answer are flushed as they arrive. Until its beginning shows that
// it is an answer and no error nothing is written, so that a request can still be
// served elsewhere; from then on what breaks it breaks the caller's connection
// too, since an answer that ended well would look whole. An error that upstream
// sends in the middle reaches the caller as it is, and is heeded like any other.
// Only the end of an answer is kept, and in front of it the last word on what was
// used, so memory is bounded whatever the length. An upstream that falls silent is
// cut after FLUXGATE_IDLE_TIMEOUT: in the middle of any answer, and before the
// first byte of a stream, which is a timeout like any other and is not retried.
package server
