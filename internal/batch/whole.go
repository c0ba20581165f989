package batch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/batch/subtitles"
)

// finished is the finish_reason of an answer that is whole. The server leaves it out.
const finished = "STOP"

// maxSplits bounds how often a request is halved whose answer isn't whole: 16 parts at most.
const maxSplits = 4

// run sends the request until it is settled. False means that the context ended before.
func (d *delivery) run(ctx context.Context) (Result, bool) {
	ex, settled := d.whole(ctx, d.item, 0)
	switch {
	case !settled:
		return Result{}, false
	case ex.outcome != answered:
		return d.failed(ex), true
	}
	return d.answered(ex.answer), true
}

// whole sends a request, or a part of one, until its answer is whole. One that is empty, or doesn't keep the cues, is asked
// for a second time; then, as one that is cut, in two halves. What can't be split any more is settled as it is: an answer
// that is cut is still one, but not of subtitles, and any other is none.
func (d *delivery) whole(ctx context.Context, it *item, splits int) (exchange, bool) {
	for again := true; ; again = false {
		ex, settled := d.send(ctx, it)
		if !settled || ex.outcome != answered {
			return ex, settled
		}
		fault := it.check(&ex.answer, d.job.options)
		if fault == nil {
			return ex, true
		}
		if again && !errors.Is(fault, errCut) {
			d.wasted += ex.answer.TokensUsed
			continue
		}
		halves := it.halves()
		switch {
		case len(halves) > 0 && splits < maxSplits:
			d.wasted += ex.answer.TokensUsed
			return d.joined(ctx, halves, splits+1)
		case errors.Is(fault, errCut) && !d.job.options.subtitles:
			return ex, true
		}
		return exchange{outcome: rejected, status: ex.status, message: fault.Error()}, true
	}
}

// joined sends the parts of a request one after another, and makes one answer of theirs.
func (d *delivery) joined(ctx context.Context, parts []item, splits int) (exchange, bool) {
	var all exchange
	var text strings.Builder
	for i := range parts {
		ex, settled := d.whole(ctx, &parts[i], splits)
		if !settled || ex.outcome != answered {
			return ex, settled
		}
		text.WriteString(*ex.answer.Response)
		if i+1 < len(parts) {
			text.WriteString(parts[i].glue(*ex.answer.Response))
		}
		// The last part's key and model stand for all; tokens add up; if any is cut, the whole is.
		ex.answer.TokensUsed += all.answer.TokensUsed
		ex.answer.FinishReason = cmp.Or(all.answer.FinishReason, ex.answer.FinishReason)
		all = ex
	}
	response := text.String()
	all.answer.Response = &response
	return all, true
}

// errCut means that an answer ends before it is complete.
var errCut = errors.New("the answer is cut")

// check says what is missing in an answer; nil: nothing. Of subtitles it puts the answer into the shape of the source.
func (it *item) check(a *answer, o *Options) error {
	reason := cmp.Or(a.FinishReason, finished)
	switch {
	case strings.TrimSpace(*a.Response) == "":
		return fmt.Errorf("the answer is empty (%s)", reason)
	case reason != finished:
		return fmt.Errorf("%w (%s)", errCut, reason)
	case !o.subtitles:
		return nil
	}
	response, err := subtitles.Put(it.cues, *a.Response)
	if err != nil {
		return err
	}
	a.Response = &response
	return nil
}

// halves are the request in two parts; none where it can't be divided.
func (it *item) halves() []item {
	first, second := *it, *it
	switch middle := len(it.cues) / 2; {
	case it.jsonl, len(it.cues) == 1:
		return nil // a cue is whole or nothing
	case middle > 0:
		first.cues, second.cues = it.cues[:middle], it.cues[middle:]
		first.text, second.text = subtitles.Shown(first.cues), subtitles.Shown(second.cues)
	default:
		all := chunkText(it.text, (estimateTokens(it.text)+1)/2)
		if len(all) < 2 {
			return nil
		}
		first.text, second.text = all[0], it.text[len(all[0]):]
	}
	return []item{first, second}
}

// glue is what stands between the answer to this part and the next: what stood behind the part, if the answer doesn't end
// with it.
func (it *item) glue(response string) string {
	trimmed := strings.TrimRight(it.text, " \t\r\n")
	space := it.text[len(trimmed):]
	if strings.TrimRight(response, " \t\r\n") != response {
		return ""
	}
	return space
}

func (d *delivery) answered(a answer) Result {
	result := d.result()
	result.Response = a.Response
	result.KeyUsed = a.KeyUsed
	result.ModelUsed = a.ModelUsed
	tokens := a.TokensUsed + d.wasted
	result.TokensUsed = &tokens
	result.FinishReason = cmp.Or(a.FinishReason, finished)
	return result
}

func (d *delivery) failed(ex exchange) Result {
	result := d.result()
	// A result without an answer is told by its error, so it always has one.
	result.Error = cmp.Or(ex.message, "no answer")
	result.Status = ex.status
	return result
}

func (d *delivery) result() Result {
	return Result{
		Index:          d.item.index,
		ID:             d.item.id,
		SHA256:         d.item.hash(),
		Waits:          d.waits,
		WaitedSeconds:  seconds(d.waited),
		ElapsedSeconds: seconds(time.Since(d.started)),
	}
}

func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }
