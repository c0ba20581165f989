package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
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

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"

	"fluxgate.dev/fluxgate/internal/build"
)

// user is whom the program runs as, the "nonroot" of other images without a
// shell.
const user = "65532:65532"

// port is gemini-flux's.
const port = "8000"

// epoch is when everything was made: what depends on the clock can't be
// reproduced.
var epoch = time.Unix(0, 0).UTC()

// A file is one entry of a tar archive; a directory if its name ends in '/'.
type file struct {
	name string
	mode int64
	data []byte
}

// contents are what an image is made of.
type contents struct {
	program, notices []byte
	revision         string // "": nobody knows
}

// write writes the archive of an image, and returns its digest: that of its manifest,
// which a registry shows for the tag if what pushes it changes nothing (crane, skopeo,
// docker with containerd's store). The layer is compressed as they would have it.
//
// What describes the image are go-containerregistry's types, which only this
// command has from it. Its writers are not used: that of docker's format leaves
// out the OCI layout, and that of the layout writes a directory, which would have
// to be read again to be archived.
func write(w io.Writer, c contents, tag, arch string) (string, error) {
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
		{"fluxgate", 0o755, c.program},
		{"licenses.txt", 0o644, c.notices},
	})
	if err != nil {
		return "", err
	}
	on := v1.Platform{Architecture: arch, OS: "linux"}
	var blobs []file
	// put keeps a blob and returns what refers to it.
	put := func(mediaType types.MediaType, data []byte) v1.Descriptor {
		sum := sha256.Sum256(data)
		digest := v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
		blobs = append(blobs, file{"blobs/sha256/" + digest.Hex, 0o644, data})
		return v1.Descriptor{MediaType: mediaType, Digest: digest, Size: int64(len(data))}
	}
	packed, err := compressed(layer)
	if err != nil {
		return "", err
	}
	plain := sha256.Sum256(layer)
	ofLayer := put(types.OCILayer, packed)
	ofConfig := put(types.OCIConfigJSON, encode(v1.ConfigFile{
		Created: v1.Time{Time: epoch}, Architecture: on.Architecture, OS: on.OS,
		Config: v1.Config{
			User: user, ExposedPorts: map[string]struct{}{port + "/tcp": {}}, Env: []string{"PATH=/", "PORT=" + port},
			Entrypoint: []string{"/fluxgate", "serve"}, Cmd: []string{"--host", "0.0.0.0"}, WorkingDir: "/",
			Labels: labels(c.revision),
		},
		RootFS:  v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{{Algorithm: "sha256", Hex: hex.EncodeToString(plain[:])}}},
		History: []v1.History{{Created: v1.Time{Time: epoch}, CreatedBy: "go run ./cmd/image"}},
	}))
	ofManifest := put(types.OCIManifestSchema1, encode(v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: ofConfig, Layers: []v1.Descriptor{ofLayer},
	}))
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
		{"index.json", 0o644, encode(v1.IndexManifest{
			SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{ofManifest},
		})},
		{"manifest.json", 0o644, encode(saved)},
		{"blobs/", 0o755, nil}, {"blobs/sha256/", 0o755, nil},
	}, blobs)
	text, err := archive(all)
	if err != nil {
		return "", err
	}
	_, err = w.Write(text)
	return ofManifest.Digest.String(), err
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

// labels are those of https://github.com/opencontainers/image-spec/blob/main/annotations.md.
func labels(revision string) map[string]string {
	l := map[string]string{
		"org.opencontainers.image.title":       "fluxgate",
		"org.opencontainers.image.description": "Knows which Google Cloud project and Gemini model can take the next request",
		"org.opencontainers.image.licenses":    "MIT",
		"org.opencontainers.image.version":     build.Version,
	}
	if revision != "" {
		l["org.opencontainers.image.revision"] = revision
	}
	return l
}

// compressed packs a layer, the same bytes for the same layer and version of Go.
func compressed(layer []byte) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(layer); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
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
