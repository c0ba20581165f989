package telemetry

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"cloud.google.com/go/compute/metadata"
	"go.opentelemetry.io/otel/trace"
)

// The fields by which Cloud Logging shows the lines of a request together, and
// beside its trace.
const (
	logTrace   = "logging.googleapis.com/trace"
	logSpan    = "logging.googleapis.com/spanId"
	logSampled = "logging.googleapis.com/trace_sampled"
)

// logAttributes returns what the log lines of a request in that trace carry.
func logAttributes(project string, sc trace.SpanContext) []any {
	list := []any{slog.String(logTrace, "projects/"+project+"/traces/"+sc.TraceID().String())}
	if sc.HasSpanID() {
		list = append(list, slog.String(logSpan, sc.SpanID().String()))
	}
	return append(list, slog.Bool(logSampled, sc.IsSampled()))
}

// Bounds of asking the metadata server. It answers within milliseconds, or there
// is none.
const (
	metadataTimeout = time.Second
	metadataPause   = time.Minute // before it is asked again
)

// A cloudProject is the project that the program runs in.
type cloudProject struct {
	mu    sync.Mutex
	id    string
	asked time.Time
	ask   func(context.Context) (string, error)
}

func newCloudProject(configured string) *cloudProject {
	return &cloudProject{id: configured, ask: metadata.ProjectIDWithContext}
}

// get returns the ID of the project, or "" while it isn't known. Requests that
// come while it is asked for wait with the one that asks. That takes no
// singleflight.Group: it is asked for once, is there within metadataTimeout at
// most, and ends with no request.
func (p *cloudProject) get(ctx context.Context) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.id != "" || !p.asked.IsZero() && time.Since(p.asked) < metadataPause {
		return p.id
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), metadataTimeout)
	defer cancel()
	if id, err := p.ask(ctx); err == nil {
		p.id = id
	}
	p.asked = time.Now()
	return p.id
}
