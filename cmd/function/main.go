package main

import (
	"cmp"
	"log"
	"os"

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"

	// It registers the function.
	_ "fluxgate.dev/fluxgate"

	"fluxgate.dev/fluxgate/internal/dotenv"
)

// target names the function that is served.
// https://github.com/GoogleCloudPlatform/functions-framework-contract
const target = "FUNCTION_TARGET"

func main() {
	if _, err := dotenv.Load(".env"); err != nil {
		log.Fatal(err)
	}
	if err := os.Setenv(target, cmp.Or(os.Getenv(target), "Fluxgate")); err != nil {
		log.Fatal(err)
	}
	if err := funcframework.StartHostPort("127.0.0.1", cmp.Or(os.Getenv("PORT"), "8080")); err != nil {
		log.Fatalf("serve the function: %v", err)
	}
}
