package manifests

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

const folder = "../../terraform/elsewhere"

// kinds are the types of what the manifest holds, in its order.
var kinds = []struct {
	kind string
	into any
}{
	{"ServiceAccount", new(corev1.ServiceAccount)}, {"ConfigMap", new(corev1.ConfigMap)}, {"Deployment", new(appsv1.Deployment)},
	{"Service", new(corev1.Service)}, {"HorizontalPodAutoscaler", new(autoscalingv2.HorizontalPodAutoscaler)},
	{"PodDisruptionBudget", new(policyv1.PodDisruptionBudget)},
}

// Every field is one that Kubernetes knows, and the parts refer to each other.
func TestKubernetes(t *testing.T) {
	text, err := os.ReadFile(folder + "/kubernetes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	documents := bytes.Split(text, []byte("\n---\n"))
	if len(documents) != len(kinds) {
		t.Fatalf("%d documents, want %d", len(documents), len(kinds))
	}
	for i, document := range documents {
		var head metav1.TypeMeta
		if err := yaml.Unmarshal(document, &head); err != nil || head.Kind != kinds[i].kind {
			t.Fatalf("document %d is a %s: want %s (%v)", i, head.Kind, kinds[i].kind, err)
		}
		if err := yaml.UnmarshalStrict(document, kinds[i].into); err != nil {
			t.Errorf("%s: %v", head.Kind, err)
		}
	}
	deployment := kinds[2].into.(*appsv1.Deployment)
	pod := deployment.Spec.Template
	container := pod.Spec.Containers[0]
	security := container.SecurityContext
	for what, holds := range map[string]bool{
		"the selector finds the pods":        deployment.Spec.Selector.MatchLabels["app"] == pod.Labels["app"],
		"the service finds the pods":         kinds[3].into.(*corev1.Service).Spec.Selector["app"] == pod.Labels["app"],
		"the service finds the port":         kinds[3].into.(*corev1.Service).Spec.Ports[0].TargetPort.StrVal == container.Ports[0].Name,
		"the autoscaler finds the replicas":  kinds[4].into.(*autoscalingv2.HorizontalPodAutoscaler).Spec.ScaleTargetRef.Name == deployment.Name,
		"no number of replicas fights it":    deployment.Spec.Replicas == nil,
		"several replicas share a store":     kinds[1].into.(*corev1.ConfigMap).Data["FLUXGATE_STORE"] == "firestore",
		"it is nobody who may do anything":   *pod.Spec.SecurityContext.RunAsUser == 65532 && *pod.Spec.SecurityContext.RunAsNonRoot,
		"its root can't be written to":       *security.ReadOnlyRootFilesystem && !*security.AllowPrivilegeEscalation && slices.Contains(security.Capabilities.Drop, "ALL"),
		"keys come from a secret":            slices.ContainsFunc(container.EnvFrom, func(e corev1.EnvFromSource) bool { return e.SecretRef != nil }),
		"its health is asked for":            container.LivenessProbe.HTTPGet.Path == "/health" && container.ReadinessProbe.HTTPGet.Path == "/health" && container.StartupProbe.HTTPGet.Path == "/health",
		"bodies are counted against a limit": !container.Resources.Limits.Memory().IsZero(),
	} {
		if !holds {
			t.Errorf("it isn't so that %s", what)
		}
	}
}

// Compose's own loader takes it, with and without the emulator, and knows every field.
func TestCompose(t *testing.T) {
	text, err := os.ReadFile(folder + "/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ".env"), []byte("FLUXGATE_TOKENS=me:0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	load := func(text []byte, profiles ...string) (*types.Project, error) {
		return loader.LoadWithContext(t.Context(), types.ConfigDetails{
			WorkingDir: dir, Environment: types.Mapping{},
			ConfigFiles: []types.ConfigFile{{Filename: filepath.Join(dir, "compose.yaml"), Content: text}},
		}, func(o *loader.Options) { o.Profiles = profiles })
	}
	project, err := load(text)
	if err != nil {
		t.Fatal(err)
	}
	service, err := project.GetService("fluxgate")
	if err != nil {
		t.Fatal(err)
	}
	if len(project.Services) != 1 || service.User != "65532:65532" || !service.ReadOnly || !slices.Contains(service.CapDrop, "ALL") {
		t.Errorf("%d services; it runs as %q, read-only: %v", len(project.Services), service.User, service.ReadOnly)
	}
	if len(service.Ports) != 1 || service.Ports[0].HostIP != "127.0.0.1" {
		t.Errorf("others than this machine get in: %v", service.Ports)
	}
	if token := service.Environment["FLUXGATE_TOKENS"]; token == nil || *token == "" {
		t.Error("the settings of .env don't reach it")
	}
	if project, err = load(text, "emulator"); err != nil || len(project.Services) != 2 {
		t.Errorf("with the emulator: %v", err)
	}
	if _, err := load([]byte(strings.Replace(string(text), "read_only:", "readonly:", 1))); err == nil {
		t.Error("a field that compose doesn't know is taken")
	}
}
