package policy

import (
	"context"
	"maps"
	"slices"
	"time"
)

// Retire notes that an answer has said when its model is shut down, and returns what is then known. The model leaves the
// chain once that is less than [MaxAge] ahead. With an error comes what was known last.
func (k *Keeper) Retire(ctx context.Context, model string, at time.Time) (Reported, error) {
	if known, err := k.Current(ctx); err != nil || known.Retiring[model].Equal(stamp(at)) {
		return known, err
	}
	asked := time.Now()
	data, err := k.opts.Store.UpdateRecord(ctx, RecordName, func(data []byte) ([]byte, error) {
		rec, _ := decode(data)
		rec.retire(model, stamp(at), k.opts.Now())
		return rec.encode(), nil
	})
	if err != nil {
		return k.last(), err
	}
	k.opts.Logger.Info("a model is being shut down", "model", model, "at", at)
	return k.remember(asked, data).Reported, nil
}

// retire adds a model to those that are shut down, in place of the one whose end is the longest ago if there are too many.
func (r *Reported) retire(model string, at, now time.Time) {
	r.Retiring = maps.Clone(r.Retiring)
	if r.Retiring == nil {
		r.Retiring = make(map[string]time.Time)
	}
	r.Retiring[model] = at
	for len(r.Retiring) > maxWindows {
		names := slices.Collect(maps.Keys(r.Retiring))
		delete(r.Retiring, slices.MinFunc(names, func(a, b string) int { return r.Retiring[a].Compare(r.Retiring[b]) }))
	}
	if rest := slices.DeleteFunc(slices.Clone(r.Chain), func(name string) bool { return name == model }); leaves(at, now) && len(rest) > 0 {
		r.Chain = rest
	}
}
