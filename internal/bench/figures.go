package bench

import "slices"

// A Range is the middle and the ends of some figures.
type Range struct{ Median, Min, Max float64 }

func rangeOf(figures []float64) Range {
	if len(figures) == 0 {
		return Range{}
	}
	return Range{quantile(figures, 0.5), slices.Min(figures), slices.Max(figures)}
}

// quantile returns the value below which the part q of the figures lies,
// interpolated between its neighbours; 0 of none. The figures stay in their order.
func quantile[T ~float64 | ~int64](figures []T, q float64) T {
	if len(figures) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(figures))
	at := q * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + T((at-float64(low))*float64(sorted[high]-sorted[low]))
}
