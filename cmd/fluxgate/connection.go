package main

import (
	"cmp"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"fluxgate.dev/fluxgate/internal/remote"
	"fluxgate.dev/fluxgate/internal/remote/googleid"
)

// connectionHelp explains the flags of a connection.
const connectionHelp = `The Fluxgate is the one of --url or FLUXGATE_URL. Its token is read from FLUXGATE_TOKEN or --token-file, and not from the
command line, which other users of the machine can see. Where Cloud Run's IAM guards it, --identity proves who you are:
by application default credentials (a service account, or Google Cloud's metadata server), else by gcloud's account.
Neither is sent unencrypted to another machine.`

// A connection holds the flags that say which Fluxgate is meant and what opens it.
type connection struct {
	url, tokenFile string
	identity       bool
	audience       string
}

func (c *connection) register(cmd *cobra.Command) { c.registerAs(cmd, "url") }

// registerAs names the flag of the address.
func (c *connection) registerAs(cmd *cobra.Command, name string) {
	flags := cmd.Flags()
	flags.StringVar(&c.url, name, "", "Fluxgate's base `address` (FLUXGATE_URL, default "+remote.DefaultURL+")")
	flags.StringVar(&c.tokenFile, "token-file", "", "`file` that holds Fluxgate's token (default: the token in FLUXGATE_TOKEN)")
	flags.BoolVar(&c.identity, "identity", false, "send a Google ID token too, for Cloud Run's IAM")
	flags.StringVar(&c.audience, "audience", "", "`audience` of that ID token (default: the base address)")
}

// access reads what the flags name. The environment is read here and not as the default of a flag, which --help prints.
func (c *connection) access() (remote.Access, error) {
	a := remote.Access{
		URL:   strings.TrimRight(cmp.Or(c.url, os.Getenv("FLUXGATE_URL"), remote.DefaultURL), "/"),
		Token: remote.Token(strings.TrimSpace(os.Getenv("FLUXGATE_TOKEN"))),
	}
	if c.tokenFile != "" {
		token, err := remote.ReadTokenFile(c.tokenFile)
		if err != nil {
			return a, usageError{err}
		}
		a.Token = token
	}
	if c.identity || c.audience != "" {
		a.Identity = remote.NewIdentity(cmp.Or(c.audience, a.URL), googleid.Default)
	}
	return a, nil
}
