package emulator

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// ErrNotInstalled reports that no Firestore emulator can be run here. The errors that match it say which part is missing
// and how to install it.
var ErrNotInstalled = errors.New("the Firestore emulator is not installed")

// installHint tells a person how to install the emulator.
const installHint = "install a Java runtime and run `gcloud components install cloud-firestore-emulator` " +
	"(where gcloud came from apt: `apt-get install google-cloud-cli-firestore-emulator`)"

const (
	componentDir = "cloud-firestore-emulator"
	jarName      = "cloud-firestore-emulator.jar"
	mainClass    = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"

	// maxHeap bounds the Java heap. The default, a quarter of the machine's memory, is either too little for a long
	// test run on a small machine or more than a guest should take on a large one.
	maxHeap = "-Xmx1g"

	// quickCompiler has Java compile once and quickly what runs often. Compiling that again, better, takes more than it
	// saves: with both, the emulator uses twice the processor time in its first minutes, and more until it answers.
	quickCompiler = "-XX:TieredStopAtLevel=1"

	// infoTimeout bounds `gcloud info`, which is asked only when the file system doesn't show where the SDK is.
	infoTimeout = 20 * time.Second
)

// A command is a way to run the emulator on this machine.
type command struct {
	path      string   // the executable: java, or gcloud where the jar can't be named
	args      []string // before the address
	env       []string // added to the environment of this process
	viaGcloud bool
}

// argsFor returns all the arguments that make the emulator listen on port of the loopback address.
func (c command) argsFor(port int) []string {
	args := append([]string(nil), c.args...)
	if c.viaGcloud {
		return append(args, "--host-port="+hostPort(port))
	}
	return append(args, "--host="+loopback, "--port="+strconv.Itoa(port))
}

// Missing returns nil if the emulator can be run here, else an error that matches ErrNotInstalled.
func Missing() error {
	_, err := find()
	return err
}

// find looks for the emulator: the SDK named by CLOUDSDK_ROOT_DIR or CLOUDSDK_ROOT, else the one that the gcloud on
// PATH belongs to, together with the Java of JAVA_HOME or PATH. Its error matches ErrNotInstalled.
func find() (command, error) {
	component, gcloud, err := findComponent()
	if err != nil {
		return command{}, notInstalled(err)
	}
	java, err := findJava()
	if err != nil {
		return command{}, notInstalled(err)
	}

	if jar := filepath.Join(component, jarName); isFile(jar) {
		// The emulator gives its error messages in English only where the locale of Java is.
		return command{path: java, args: []string{maxHeap, quickCompiler, "-Duser.language=en", "-cp", jar, mainClass, "start"}}, nil
	}
	if gcloud == "" {
		return command{}, notInstalled(fmt.Errorf("no %s in %s, and no gcloud on PATH to start it", jarName, component))
	}
	return command{
		path:      gcloud,
		args:      []string{"emulators", "firestore", "start", "--quiet"},
		env:       []string{"JAVA_TOOL_OPTIONS=" + strings.TrimSpace(os.Getenv("JAVA_TOOL_OPTIONS")+" "+maxHeap)},
		viaGcloud: true,
	}, nil
}

func notInstalled(err error) error {
	return fmt.Errorf("%w: %w; %s", ErrNotInstalled, err, installHint)
}

// findComponent returns the directory of the emulator component and the gcloud executable, which is empty when only an
// environment variable led to the SDK.
func findComponent() (dir, gcloud string, err error) {
	gcloud, lookErr := exec.LookPath("gcloud")
	if lookErr != nil {
		gcloud = ""
	}

	var roots []string
	for _, name := range []string{"CLOUDSDK_ROOT_DIR", "CLOUDSDK_ROOT"} {
		if root := os.Getenv(name); root != "" {
			roots = append(roots, root)
		}
	}
	if gcloud != "" {
		if resolved, err := filepath.EvalSymlinks(gcloud); err == nil {
			roots = append(roots, filepath.Dir(filepath.Dir(resolved)))
		}
	}
	for _, root := range roots {
		if dir := filepath.Join(root, "platform", componentDir); isDir(dir) {
			return dir, gcloud, nil
		}
		if isDir(filepath.Join(root, "platform")) {
			// This is an SDK, so it is the answer: asking gcloud would only repeat it a second later.
			return "", "", fmt.Errorf("the SDK in %s has no component %s", root, componentDir)
		}
	}
	if gcloud == "" {
		return "", "", fmt.Errorf("gcloud: %w", lookErr)
	}

	// A version manager's shim or a snap: the executable isn't in the SDK, but it knows where that is.
	ctx, cancel := context.WithTimeout(context.Background(), infoTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, gcloud, "info", "--format=value(installation.sdk_root)").Output()
	if err != nil {
		return "", "", fmt.Errorf("asking gcloud for its SDK: %w", err)
	}
	dir = filepath.Join(strings.TrimSpace(string(out)), "platform", componentDir)
	if !isDir(dir) {
		return "", "", fmt.Errorf("no component in %s", dir)
	}
	return dir, gcloud, nil
}

func findJava() (string, error) {
	if home := os.Getenv("JAVA_HOME"); home != "" {
		java := filepath.Join(home, "bin", "java")
		if runtime.GOOS == "windows" {
			java += ".exe"
		}
		if isFile(java) {
			return java, nil
		}
	}
	java, err := exec.LookPath("java")
	if err != nil {
		return "", fmt.Errorf("java: %w", err)
	}
	return java, nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
