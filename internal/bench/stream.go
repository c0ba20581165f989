package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"
	"time"
)

// memoryLimit is how much resident memory a stream may cost Fluxgate, in bytes,
// however long it is.
const memoryLimit = 64 << 20

// StreamOptions say what [Stream] measures. All are required.
type StreamOptions struct {
	Launch Launcher
	// Bytes is how long the long stream is, in chunks of ChunkBytes, sent as fast
	// as they are taken.
	Bytes      int64
	ChunkBytes int
	// Paced streams have so many chunks of 256 bytes, one every Interval. There
	// are Rounds of them through Fluxgate and as many directly, alternating.
	Rounds   int
	Chunks   int
	Interval time.Duration
}

// pacedBytes is the size of a chunk of a paced stream, some words of an answer.
const pacedBytes = 256

// A StreamReport is what [Stream] found.
type StreamReport struct {
	Options          StreamOptions
	Chunks, Received int64 // of the long stream, Received in bytes
	Took, TookDirect time.Duration
	IdleBytes        int64 // Fluxgate's peak resident memory before it
	PeakBytes        int64 // and after it
	Direct, Through  Delays
	// The same of sessions of the Live API: PeakLive is Fluxgate's peak resident memory after
	// a long one, and FirstByte the time until the setup was answered.
	ReceivedLive            int64
	PeakLive                int64
	DirectLive, ThroughLive Delays
}

// Delays are what readers of paced streams waited for.
type Delays struct {
	FirstByte []time.Duration // from the call to the first byte of the answer
	Chunk     []time.Duration // from when upstream made a chunk to its arrival
}

// Stream has a long stream pass through Fluxgate and watches its memory, and
// paced ones, for what it adds to the time to the first byte and to each chunk; then the
// same in sessions of the Live API, message by message.
func Stream(ctx context.Context, o StreamOptions) (_ *StreamReport, err error) {
	a := &processGroup{launch: o.Launch}
	defer func() { err = errors.Join(err, a.stop()) }()
	simulator, err := a.add(ctx, "simulator", Process{Role: Simulator})
	if err != nil {
		return nil, err
	}
	fluxgate, err := a.add(ctx, "fluxgate", Process{Role: Fluxgate, Upstream: simulator.url, Settings: []string{"GEMINI_LOG=false"}})
	if err != nil {
		return nil, err
	}
	const call = ":streamGenerateContent?alt=sse"
	direct := &source{simulator.url + "/v1beta/models/" + model + call, keyValue(1), newClient(1)}
	through := &source{fluxgate.url + "/v1beta/models/auto" + call, callerToken, newClient(1)}

	directLive := &source{simulator.url + sessionPath, keyValue(1), newClient(1)}
	throughLive := &source{fluxgate.url + sessionPath, callerToken, newClient(1)}

	r := &StreamReport{Options: o}
	if err := o.paced(ctx, (*source).read, []pacedSide{{direct, &r.Direct}, {through, &r.Through}}); err != nil {
		return nil, err
	}
	if err := o.paced(ctx, (*source).hear, []pacedSide{{directLive, &r.DirectLive}, {throughLive, &r.ThroughLive}}); err != nil {
		return nil, err
	}
	return r, errors.Join(r.long(ctx, fluxgate, direct, through), r.longSession(ctx, fluxgate, throughLive))
}

// A pacedSide is where paced streams are read, and what was waited for there.
type pacedSide struct {
	from *source
	to   *Delays
}

// paced measures delays, on each side in turn.
func (o StreamOptions) paced(ctx context.Context, read func(s *source, ctx context.Context, plan string, chunks int64, delays bool) (received, error), sides []pacedSide) error {
	plan := fmt.Sprintf("stream %d chunks of %d bytes every %s", o.Chunks, pacedBytes, o.Interval)
	for round := range 1 + o.Rounds {
		for _, side := range sides {
			got, err := read(side.from, ctx, plan, int64(o.Chunks), true)
			if err != nil {
				return err
			}
			if round == 0 {
				continue // that one was to connect
			}
			side.to.FirstByte = append(side.to.FirstByte, got.firstByte)
			side.to.Chunk = append(side.to.Chunk, got.delays...)
		}
	}
	return nil
}

// long passes the long stream.
func (r *StreamReport) long(ctx context.Context, fluxgate *child, direct, through *source) error {
	o := r.Options
	r.Chunks = max(1, (o.Bytes+int64(o.ChunkBytes)-1)/int64(o.ChunkBytes))
	plan := fmt.Sprintf("stream %d chunks of %d bytes", r.Chunks, o.ChunkBytes)
	before, err := fluxgate.usage(ctx)
	if err != nil {
		return err
	}
	got, err := through.read(ctx, plan, r.Chunks, false)
	if err != nil {
		return err
	}
	after, err := fluxgate.usage(ctx)
	if err != nil {
		return err
	}
	r.Received, r.Took, r.IdleBytes, r.PeakBytes = got.bytes, got.took, before.PeakBytes, after.PeakBytes
	if got, err = direct.read(ctx, plan, r.Chunks, false); err != nil {
		return err
	}
	r.TookDirect = got.took
	return nil
}

// longSession passes as much in a session.
func (r *StreamReport) longSession(ctx context.Context, fluxgate *child, through *source) error {
	got, err := through.hear(ctx, fmt.Sprintf("stream %d chunks of %d bytes", r.Chunks, r.Options.ChunkBytes), r.Chunks, false)
	if err != nil {
		return err
	}
	after, err := fluxgate.usage(ctx)
	r.ReceivedLive, r.PeakLive = got.bytes, after.PeakBytes
	return err
}

// Check returns an error if the stream cost more memory than it may.
func (r *StreamReport) Check() error {
	if max(r.PeakBytes, r.PeakLive) < memoryLimit {
		return nil
	}
	return fmt.Errorf("a stream of %.1f MB took Fluxgate to %.1f MiB of resident memory, the limit is %d MiB",
		float64(r.Received)/1e6, mebibytes(max(r.PeakBytes, r.PeakLive)), memoryLimit>>20)
}

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }

// Print writes the report.
func (r *StreamReport) Print(w io.Writer) error {
	o := r.Options
	rate := func(d time.Duration) float64 { return float64(r.Received) / 1e6 / d.Seconds() }
	fmt.Fprintf(w, "Long stream: %.1f MB in %d chunks, %.1f MB/s through Fluxgate, %.1f MB/s directly.\n"+
		"Fluxgate's peak resident memory: %.1f MiB (%.1f MiB before it); the limit is %d MiB.\n\n"+
		"Paced streams: %d of %d chunks of %d bytes, one every %s, through Fluxgate and as many directly, alternating.\n\n",
		float64(r.Received)/1e6, r.Chunks, rate(r.Took), rate(r.TookDirect),
		mebibytes(r.PeakBytes), mebibytes(r.IdleBytes), memoryLimit>>20,
		o.Rounds, o.Chunks, pacedBytes, o.Interval)
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "milliseconds\tdirect\tthrough Fluxgate\tadded\t")
	for _, row := range []struct {
		name            string
		direct, through []time.Duration
		q               float64
	}{
		{"time to first byte, median", r.Direct.FirstByte, r.Through.FirstByte, 0.5},
		{"90%", r.Direct.FirstByte, r.Through.FirstByte, 0.9},
		{"delay of a chunk, median", r.Direct.Chunk, r.Through.Chunk, 0.5},
		{"90%", r.Direct.Chunk, r.Through.Chunk, 0.9},
		{"99%", r.Direct.Chunk, r.Through.Chunk, 0.99},
		{"session until it is set up, median", r.DirectLive.FirstByte, r.ThroughLive.FirstByte, 0.5},
		{"delay of a message in it, median", r.DirectLive.Chunk, r.ThroughLive.Chunk, 0.5},
		{"90%", r.DirectLive.Chunk, r.ThroughLive.Chunk, 0.9},
		{"99%", r.DirectLive.Chunk, r.ThroughLive.Chunk, 0.99},
	} {
		d, f := quantile(row.direct, row.q), quantile(row.through, row.q)
		fmt.Fprintf(t, "%s\t%.3f\t%.3f\t%+.3f\t\n", row.name, milliseconds(d), milliseconds(f), milliseconds(f-d))
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	fmt.Fprintf(w, "\nA session of the Live API with %.1f MB of messages took that memory to %.1f MiB.\n", float64(r.ReceivedLive)/1e6, mebibytes(r.PeakLive))
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// A source is where streams are read from.
type source struct {
	url, key string
	client   *http.Client
}
