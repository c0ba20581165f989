// Package fluxgate is a Cloud Run function that stands between an application
// and the Gemini API. It knows how much quota every project and model has left
// at this instant, and either sends a request now or answers 429 with the exact
// time to come back.
//
// This file is the function's entry point, target "Fluxgate". The product is in
// the packages below: scheduler decides, storage keeps, internal/admission admits,
// internal/server speaks HTTP, and internal/app puts them together.
package fluxgate

import (
	"github.com/GoogleCloudPlatform/functions-framework-go/functions"

	"fluxgate.dev/fluxgate/internal/app"
)

func init() {
	functions.HTTP("Fluxgate", new(app.Lazy).ServeHTTP)
}
