// Package manifests holds, by tests alone, the compose file and the Kubernetes manifest
// of terraform/elsewhere to the types of those who read them. It is a module of its own,
// so that these modules are no requirement of Fluxgate's.
package manifests
