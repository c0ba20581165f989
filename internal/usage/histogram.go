package usage

import (
	"encoding/json"
	"errors"
	"maps"
	"math"
	"slices"
	"time"
)

// A Histogram counts durations in buckets, each a quarter of an octave of milliseconds wide:
// a quantile is off by 9% at most. Bucket 0 has those below a millisecond.
type Histogram map[int]int64

// maxBucket is that of eight years.
const maxBucket = 152

func bucketOf(d time.Duration) int {
	if d < time.Millisecond {
		return 0
	}
	return min(1+int(4*math.Log2(float64(d)/float64(time.Millisecond))), maxBucket)
}

// add counts a duration.
func (h *Histogram) add(d time.Duration) {
	if *h == nil {
		*h = make(Histogram)
	}
	(*h)[bucketOf(d)]++
}

// merge adds another's counts.
func (h *Histogram) merge(other Histogram) {
	if *h == nil && len(other) > 0 {
		*h = make(Histogram, len(other))
	}
	for bucket, n := range other {
		(*h)[bucket] += n
	}
}

// Quantile returns the duration that a part of all is at most, such as 0.95; 0 without any.
func (h Histogram) Quantile(part float64) time.Duration {
	var all int64
	for _, n := range h {
		all += n
	}
	rank := int64(math.Ceil(part * float64(all)))
	for _, bucket := range slices.Sorted(maps.Keys(h)) {
		if rank -= h[bucket]; rank <= 0 && bucket > 0 {
			return time.Duration(math.Exp2((float64(bucket)-0.5)/4) * float64(time.Millisecond))
		}
		if rank <= 0 {
			break
		}
	}
	return 0
}

// MarshalJSON implements json.Marshaler: buckets and their counts in turn.
func (h Histogram) MarshalJSON() ([]byte, error) {
	flat := make([]int64, 0, 2*len(h))
	for _, bucket := range slices.Sorted(maps.Keys(h)) {
		flat = append(flat, int64(bucket), h[bucket])
	}
	return json.Marshal(flat)
}

var errHistogram = errors.New("usage: no histogram")

// UnmarshalJSON implements json.Unmarshaler.
func (h *Histogram) UnmarshalJSON(text []byte) error {
	var flat []int64
	if err := json.Unmarshal(text, &flat); err != nil {
		return err
	}
	if len(flat)%2 != 0 {
		return errHistogram
	}
	*h = make(Histogram, len(flat)/2)
	for i := 0; i < len(flat); i += 2 {
		if flat[i] < 0 || flat[i] > maxBucket || flat[i+1] < 0 {
			return errHistogram
		}
		(*h)[int(flat[i])] += flat[i+1]
	}
	return nil
}
