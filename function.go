// Package fluxgate is a Cloud Run function that stands between an application
// and the Gemini API. It knows how much quota every project and model has left
// at this instant, and either sends a request now or answers 429 with the exact
// time to come back.
//
// This file is the function's entry point, target "Fluxgate". The product is in
// the packages below it. The way of a request through them:
//
//   - internal/app has put everything together, from the configuration
//     (internal/config), the keys (internal/keys) and the callers' tokens
//     (internal/callers).
//   - internal/server takes the HTTP request: route (internal/routes), caller, and
//     the body, for which internal/bodies has a budget of memory.
//   - internal/payload reads the body, internal/dispatch/candidates and
//     internal/chain say which models may serve it, and internal/resources whose the
//     files are that it names. internal/dispatch sizes it.
//   - internal/admission decides: a slot now, or the exact wait. It computes with
//     scheduler, which is pure, and keeps the state with storage.
//   - internal/dispatch sends it with the key that was granted, by way of
//     internal/upstream and the provider below that, goes on elsewhere where that
//     can help, records what a refusal says, settles what it really weighed, and
//     counts it in internal/usage and against its caller's budget (internal/budget).
//   - internal/server passes the answer on, or internal/apierror words the error or
//     the wait.
//
// internal/admin is for operators: status, plan, run-time configuration. The words
// of scheduling are explained in package scheduler, those of waiting (ticket, promise)
// in internal/admission.
package fluxgate

import (
	"github.com/GoogleCloudPlatform/functions-framework-go/functions"

	"fluxgate.dev/fluxgate/internal/app"
)

func init() {
	functions.HTTP("Fluxgate", new(app.Lazy).ServeHTTP)
}
