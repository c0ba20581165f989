package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// user is whom the program runs as, the "nonroot" of other images without a
// shell.
const user = "65532:65532"

// port is gemini-flux's.
const port = "8000"

// epoch is when everything was made: what depends on the clock can't be
// reproduced.
var epoch = time.Unix(0, 0).UTC()

// Media types of OCI images.
const (
	typeIndex    = "application/vnd.oci.image.index.v1+json"
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeLayer    = "application/vnd.oci.image.layer.v1.tar"
)

// A descriptor refers to a blob.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Platform    *platform         `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
}

type index struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Manifests     []descriptor `json:"manifests"`
}

// An imageConfig says how the image is run.
type imageConfig struct {
	Created time.Time `json:"created"`
	platform
	Config  runConfig `json:"config"`
	RootFS  rootFS    `json:"rootfs"`
	History []history `json:"history"`
}

type runConfig struct {
	User         string
	ExposedPorts map[string]struct{}
	Env          []string
	Entrypoint   []string
	Cmd          []string
	WorkingDir   string
	Labels       map[string]string
}

type rootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

type history struct {
	Created   time.Time `json:"created"`
	CreatedBy string    `json:"created_by"`
}

// A file is one entry of a tar archive; a directory if its name ends in '/'.
type file struct {
	name string
	mode int64
	data []byte
}

// write writes the archive of an image of a program, and returns its digest.
func write(w io.Writer, program []byte, tag, arch string) (string, error) {
	tag, full, version, err := names(tag)
	if err != nil {
		return "", err
	}
	ca, err := authorities()
	if err != nil {
		return "", err
	}
	layer, err := archive([]file{
		{"etc/", 0o755, nil}, {"etc/ssl/", 0o755, nil}, {"etc/ssl/certs/", 0o755, nil},
		// Where Go, and nearly everybody else, looks for it.
		{"etc/ssl/certs/ca-certificates.crt", 0o644, ca},
		{"fluxgate", 0o755, program},
	})
	if err != nil {
		return "", err
	}
	on := platform{Architecture: arch, OS: "linux"}
	var blobs []file
	// put keeps a blob and returns what refers to it.
	put := func(mediaType string, data []byte) descriptor {
		sum := sha256.Sum256(data)
		name := hex.EncodeToString(sum[:])
		blobs = append(blobs, file{"blobs/sha256/" + name, 0o644, data})
		return descriptor{MediaType: mediaType, Digest: "sha256:" + name, Size: len(data)}
	}
	ofLayer := put(typeLayer, layer)
	ofConfig := put(typeConfig, encode(imageConfig{
		Created: epoch, platform: on,
		Config: runConfig{
			User: user, ExposedPorts: map[string]struct{}{port + "/tcp": {}}, Env: []string{"PATH=/", "PORT=" + port},
			Entrypoint: []string{"/fluxgate", "serve"}, Cmd: []string{"--host", "0.0.0.0"}, WorkingDir: "/",
			Labels: map[string]string{
				"org.opencontainers.image.title":       "fluxgate",
				"org.opencontainers.image.description": "Knows which Google Cloud project and Gemini model can take the next request",
				"org.opencontainers.image.licenses":    "MIT",
			},
		},
		RootFS:  rootFS{"layers", []string{ofLayer.Digest}},
		History: []history{{epoch, "go run ./cmd/image"}},
	}))
	ofManifest := put(typeManifest, encode(manifest{2, typeManifest, ofConfig, []descriptor{ofLayer}}))
	ofManifest.Platform = &on
	// As docker writes them, from which tools take the name.
	ofManifest.Annotations = map[string]string{"io.containerd.image.name": full, "org.opencontainers.image.ref.name": version}
	// What docker reads that doesn't know the layout.
	saved := []struct {
		Config   string
		RepoTags []string
		Layers   []string
	}{{blobs[1].name, []string{tag}, []string{blobs[0].name}}}
	all := slices.Concat([]file{
		{"oci-layout", 0o644, encode(map[string]string{"imageLayoutVersion": "1.0.0"})},
		{"index.json", 0o644, encode(index{2, typeIndex, []descriptor{ofManifest}})},
		{"manifest.json", 0o644, encode(saved)},
		{"blobs/", 0o755, nil}, {"blobs/sha256/", 0o755, nil},
	}, blobs)
	text, err := archive(all)
	if err != nil {
		return "", err
	}
	_, err = w.Write(text)
	return ofManifest.Digest, err
}

var (
	nameRule    = regexp.MustCompile(`^[a-z0-9][a-z0-9._/:-]*[a-z0-9]$`)
	versionRule = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
)

// names returns an image's name and version as it is written, with what goes
// without saying, and the version alone.
func names(tag string) (short, full, version string, err error) {
	name, version := tag, "latest"
	// A colon before a slash is that of a port.
	if at := strings.LastIndexByte(tag, ':'); at > strings.LastIndexByte(tag, '/') {
		name, version = tag[:at], tag[at+1:]
	}
	if !nameRule.MatchString(name) || !versionRule.MatchString(version) {
		return "", "", "", fmt.Errorf("%q: want name:tag", tag)
	}
	short = name + ":" + version
	switch host, _, path := strings.Cut(name, "/"); {
	case !path:
		full = "docker.io/library/" + short
	case strings.ContainsAny(host, ".:") || host == "localhost":
		full = short
	default:
		full = "docker.io/" + short
	}
	return short, full, version, nil
}

// encode never fails for what is encoded here. Maps are written in order.
func encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}

// archive returns a tar archive that depends on nothing but the files.
func archive(files []file) ([]byte, error) {
	var b bytes.Buffer
	t := tar.NewWriter(&b)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.data)), ModTime: epoch, Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}
		if f.name[len(f.name)-1] == '/' {
			h.Typeflag = tar.TypeDir
		}
		if err := t.WriteHeader(h); err != nil {
			return nil, fmt.Errorf("archive %s: %w", f.name, err)
		}
		if _, err := t.Write(f.data); err != nil {
			return nil, fmt.Errorf("archive %s: %w", f.name, err)
		}
	}
	if err := t.Close(); err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	return b.Bytes(), nil
}

// authorities returns the certificate authorities that Mozilla trusts, as PEM. It
// leaves out those that are on their way out, trusted for old certificates only:
// a file can't say so.
func authorities() ([]byte, error) {
	var b bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue
		}
		if err := pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			return nil, err
		}
	}
	if b.Len() == 0 {
		return nil, errors.New("there are no certificate authorities")
	}
	return b.Bytes(), nil
}
