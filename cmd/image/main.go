package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := realMain(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func realMain(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("image", flag.ExitOnError)
	output := flags.String("output", "fluxgate.tar", "`file` for the archive")
	tag := flags.String("tag", "fluxgate:latest", "`name:tag` of the image")
	platform := flags.String("platform", "linux/amd64", "`platform` that it runs on: linux/amd64, linux/arm64")
	revision := flags.String("revision", "", "`commit` that it is made of (default: the repository's, with + behind it when files were changed)")
	source := flags.String("source", ".", "`directory` of the repository")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q: want no arguments", flags.Args())
	}
	arch, ok := strings.CutPrefix(*platform, "linux/")
	if !ok || arch == "" {
		return fmt.Errorf("--platform %q: want linux/ and an architecture, as Go names it", *platform)
	}
	if *revision == "" {
		*revision = commit(ctx, *source)
	}
	dir, err := os.MkdirTemp("", "fluxgate-image-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	program := filepath.Join(dir, "fluxgate")
	if err := compile(ctx, *source, program, arch, *revision); err != nil {
		return err
	}
	binary, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	notice, err := notices(ctx, *source)
	if err != nil {
		return err
	}
	file, err := os.Create(*output)
	if err != nil {
		return err
	}
	digest, err := write(file, contents{program: binary, notices: notice, revision: *revision}, *tag, arch)
	if err := errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(*output))
	}
	_, err = fmt.Fprintf(out, "%s@%s in %s\n", *tag, digest, *output)
	return err
}
