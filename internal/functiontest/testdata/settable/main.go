// The program is cmd/function, but for what one test needs: on its standard input
// it takes lines NAME=value, with which its environment changes, and answers each.
package main

import (
	"bufio"
	"fmt"
	"log"
	"os"
	"strings"

	_ "fluxgate.dev/fluxgate"

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"
)

func main() {
	go func() {
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			name, value, _ := strings.Cut(lines.Text(), "=")
			if err := os.Setenv(name, value); err != nil {
				log.Fatal(err)
			}
			fmt.Println("set")
		}
		os.Exit(0) // the test has ended, however it did
	}()
	log.Fatal(funcframework.StartHostPort("127.0.0.1", os.Getenv("PORT")))
}
