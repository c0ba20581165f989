// Command image builds a container image of `fluxgate serve`, from nothing and
// without a daemon: the static program, the certificate authorities that Mozilla
// trusts, and no shell, no libc and no package manager. Two builds of one commit
// with one version of Go are the same to the byte.
//
//	go run ./cmd/image
//	docker load --input fluxgate.tar
//
// The archive is an OCI image layout that is also what `docker save` writes, so
// docker, podman, containerd, skopeo and crane all read it.
//
// It runs as user 65532, whom nothing in it belongs to, and writes nothing to
// its file system. It listens on port 8000 of every address unless PORT says
// otherwise, and there lets nobody in without a token: FLUXGATE_TOKENS.
//
// Files, from the top down; a file calls only those below it:
//
//   - main.go: the flags, and the steps
//   - compile.go: the program, compiled for Linux
//   - archive.go: the image: layers, manifests, and the archive around them
package main
