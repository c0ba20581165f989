package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/build"
	"fluxgate.dev/fluxgate/internal/race"
)

const repository = "../.."

// built returns the archive of the repository's image, which takes a while to
// build: with -short the test is skipped.
func built(t *testing.T) []byte {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the image, which -short leaves out")
	}
	archive, err := builtImage()
	require.NoError(t, err)
	return archive
}

var builtImage = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "fluxgate-image-test-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	return buildFrom(repository, filepath.Join(dir, "image.tar"))
})

// buildFrom runs the command as it is run by hand.
func buildFrom(source, output string) ([]byte, error) {
	var out bytes.Buffer
	err := realMain(context.Background(), []string{"--source", source, "--output", output, "--tag", "registry.example:5000/gate:v1", "--revision", "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567"}, &out)
	if err != nil {
		return nil, err
	}
	archive, err := os.ReadFile(output)
	if err != nil {
		return nil, err
	}
	digest := func() string {
		var i v1.IndexManifest
		if json.Unmarshal(entries(archive)["index.json"], &i) != nil || len(i.Manifests) != 1 {
			return ""
		}
		return i.Manifests[0].Digest.String()
	}()
	if want := "registry.example:5000/gate:v1@" + digest + " in " + output + "\n"; out.String() != want {
		return nil, errors.New("it says " + out.String() + ", not " + want)
	}
	return archive, nil
}

// entries returns the files of a tar archive.
func entries(archive []byte) map[string][]byte {
	files := map[string][]byte{}
	r := tar.NewReader(bytes.NewReader(archive))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			panic(err)
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			panic(err)
		}
	}
}

// An unpacked is an image as a runtime sees it.
type unpacked struct {
	manifest v1.Manifest
	config   v1.ConfigFile
	layer    []byte
}

func unpack(t *testing.T, archive []byte) unpacked {
	t.Helper()
	files := entries(archive)
	blob := func(d v1.Descriptor) []byte {
		data, ok := files["blobs/"+d.Digest.Algorithm+"/"+d.Digest.Hex]
		require.True(t, ok, d.Digest.String())
		sum := sha256.Sum256(data)
		require.Equal(t, d.Digest.String(), "sha256:"+hex.EncodeToString(sum[:]))
		require.Len(t, data, int(d.Size))
		return data
	}
	var i v1.IndexManifest
	require.NoError(t, json.Unmarshal(files["index.json"], &i))
	require.Len(t, i.Manifests, 1)
	var u unpacked
	require.NoError(t, json.Unmarshal(blob(i.Manifests[0]), &u.manifest))
	require.NoError(t, json.Unmarshal(blob(u.manifest.Config), &u.config))
	require.Len(t, u.manifest.Layers, 1)
	packed := blob(u.manifest.Layers[0])
	z, err := gzip.NewReader(bytes.NewReader(packed))
	require.NoError(t, err)
	u.layer, err = io.ReadAll(z)
	require.NoError(t, err)
	plain := sha256.Sum256(u.layer)
	assert.Equal(t, []v1.Hash{{Algorithm: "sha256", Hex: hex.EncodeToString(plain[:])}}, u.config.RootFS.DiffIDs, "by which a runtime knows it unpacked")

	// docker reads the other description.
	var saved []struct {
		Config           string
		RepoTags, Layers []string
	}
	require.NoError(t, json.Unmarshal(files["manifest.json"], &saved))
	require.Len(t, saved, 1)
	assert.Equal(t, files[saved[0].Config], blob(u.manifest.Config))
	require.Len(t, saved[0].Layers, 1)
	assert.Equal(t, packed, files[saved[0].Layers[0]])
	assert.Equal(t, []string{"registry.example:5000/gate:v1"}, saved[0].RepoTags)
	return u
}

// Another directory, another environment and another time make no other image.
func TestReproducible(t *testing.T) {
	race.Skip(t)
	first := built(t)
	elsewhere := filepath.Join(t.TempDir(), "another", "place")
	copyRepository(t, elsewhere)
	t.Setenv("GOFLAGS", "-tags=other -ldflags=-X=main.x=y")
	t.Setenv("GOAMD64", "v3")
	t.Setenv("CGO_ENABLED", "1")
	second, err := buildFrom(elsewhere, filepath.Join(t.TempDir(), "image.tar"))
	require.NoError(t, err)
	assert.True(t, bytes.Equal(first, second), "%x and %x", sha256.Sum256(first), sha256.Sum256(second))
}

func copyRepository(t *testing.T, to string) {
	t.Helper()
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = repository
	names, err := list.Output()
	if err != nil {
		t.Skip("a source archive: only a repository can tell what belongs to it")
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(names), "\x00"), "\x00") {
		data, err := os.ReadFile(filepath.Join(repository, name))
		if errors.Is(err, os.ErrNotExist) {
			continue // deleted, and not committed yet
		}
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(to, name), data, 0o644))
	}
}

func TestConfig(t *testing.T) {
	race.Skip(t)
	archive := built(t)
	u := unpack(t, archive)
	assert.Equal(t, "linux/amd64", u.config.OS+"/"+u.config.Architecture, "what nearly every cloud runs, whatever builds it")
	assert.Equal(t, "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567", u.config.Config.Labels["org.opencontainers.image.revision"])
	assert.Equal(t, build.Version, u.config.Config.Labels["org.opencontainers.image.version"])
	notices := string(entries(u.layer)["licenses.txt"])
	assert.Contains(t, notices, "MIT License")
	assert.Contains(t, notices, "cloud.google.com/go/firestore")
	assert.Equal(t, "65532:65532", u.config.Config.User, "nobody who may do anything")
	assert.Equal(t, []string{"/fluxgate", "serve"}, u.config.Config.Entrypoint)
	assert.Equal(t, []string{"--host", "0.0.0.0"}, u.config.Config.Cmd)
	assert.Contains(t, u.config.Config.Env, "PORT=8000")
	assert.Contains(t, u.config.Config.ExposedPorts, "8000/tcp")

	// Nothing in it can be written to by whom it runs as, and nothing is in it that
	// isn't needed.
	var names []string
	r := tar.NewReader(bytes.NewReader(u.layer))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		names = append(names, h.Name)
		assert.Zero(t, h.Uid+h.Gid, h.Name)
		assert.Zero(t, h.Mode&0o6022, h.Name)
		assert.Equal(t, epoch.Unix(), h.ModTime.Unix(), h.Name)
	}
	assert.Equal(t, []string{"etc/", "etc/ssl/", "etc/ssl/certs/", "etc/ssl/certs/ca-certificates.crt", "fluxgate", "licenses.txt"}, names)
	program := entries(u.layer)["fluxgate"]
	parsed, err := elf.NewFile(bytes.NewReader(program))
	require.NoError(t, err)
	for _, segment := range parsed.Progs {
		assert.NotEqual(t, elf.PT_INTERP, segment.Type, "it needs a loader, and there is none")
	}
	assert.NotContains(t, string(program), filepath.Dir(must(os.Getwd())), "a path of this machine")
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Google's own authorities are among them.
func TestAuthorities(t *testing.T) {
	rest, err := authorities()
	require.NoError(t, err)
	found := map[string]bool{}
	for len(rest) > 0 {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		require.NotNil(t, block)
		cert, err := x509.ParseCertificate(block.Bytes)
		require.NoError(t, err)
		found[cert.Subject.CommonName] = true
	}
	for _, name := range []string{"GTS Root R1", "GTS Root R4", "ISRG Root X1"} {
		assert.True(t, found[name], name)
	}
	assert.Greater(t, len(found), 100)
}

func TestNames(t *testing.T) {
	for tag, want := range map[string][3]string{
		"fluxgate":                    {"fluxgate:latest", "docker.io/library/fluxgate:latest", "latest"},
		"fluxgate:v1":                 {"fluxgate:v1", "docker.io/library/fluxgate:v1", "v1"},
		"alice/fluxgate:v1":           {"alice/fluxgate:v1", "docker.io/alice/fluxgate:v1", "v1"},
		"localhost:5000/fluxgate":     {"localhost:5000/fluxgate:latest", "localhost:5000/fluxgate:latest", "latest"},
		"europe-docker.pkg.dev/p/f:x": {"europe-docker.pkg.dev/p/f:x", "europe-docker.pkg.dev/p/f:x", "x"},
	} {
		short, full, version, err := names(tag)
		require.NoError(t, err, tag)
		assert.Equal(t, want, [3]string{short, full, version})
	}
	for _, tag := range []string{"", ":", "a:", ":a", "Upper:v1", "a b:v1", "a:v 1", "/a:v1"} {
		_, _, _, err := names(tag)
		assert.Error(t, err, tag)
	}
}

// A build that fails says why, and leaves no archive behind.
func TestBuildFails(t *testing.T) {
	output := filepath.Join(t.TempDir(), "image.tar")
	err := realMain(t.Context(), []string{"--source", t.TempDir(), "--output", output}, io.Discard)
	assert.ErrorContains(t, err, "go.mod")
	assert.NoFileExists(t, output)
	file, err := os.Create(output)
	require.NoError(t, err)
	_, err = write(file, contents{program: []byte("program")}, "no tag:", "amd64")
	assert.ErrorContains(t, err, "want name:tag")
	require.NoError(t, file.Close())
}
