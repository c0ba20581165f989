package sizes

import (
	"math"
	"strings"
)

// An imageRule is how a provider counts images.
type imageRule int

const (
	// openAIImages: patches of 32 by 32 pixels, times 2.46 at most, of images that are scaled down to 6,144 patches; or,
	// with models that take images as they are, up to 30,000 patches times 1.2; or tiles (developers.openai.com/api/docs/guides/images-vision).
	// Which model counts how changes with each; the larger result counts.
	openAIImages imageRule = iota
	// miniImages: tiles of gpt-4o-mini, which are dearer than all others.
	miniImages
	// anthropicImages: patches of 28 by 28 pixels, of images that are scaled down to 4,784 patches and 2,576 pixels; to 1,568
	// of each with models before Claude 4.7 (platform.claude.com/docs/en/build-with-claude/vision).
	anthropicImages
)

// imagesOf returns the rule of a model. That of OpenAI is for all that speak likewise: of none is
// another known to be larger.
func imagesOf(model string) imageRule {
	model = model[strings.LastIndexByte(model, '/')+1:]
	switch {
	case strings.HasPrefix(model, "claude"):
		return anthropicImages
	case strings.HasPrefix(model, "gpt-4o-mini"):
		return miniImages
	default:
		return openAIImages
	}
}

// image adds an image.
func (m *meter) image(part []byte) {
	width, height, ok := pixels(dataOf(part))
	if !ok {
		likely, _ := m.images.tokens(1024, 1024, false)
		_, square := m.images.tokens(1<<14, 1<<14, false)
		_, long := m.images.tokens(2048, 768, false) // which has the most tiles
		m.tokens(likely, max(square, long))
		return
	}
	detail := member(part, "detail")
	if inner := member(member(part, "image_url"), "detail"); inner != nil {
		detail = inner
	}
	m.tokens(m.images.tokens(width, height, string(detail) == `"low"`))
}

// tokens returns what an image of that size is likely to count, and at most.
func (r imageRule) tokens(width, height int, low bool) (likely, most int64) {
	switch r {
	case anthropicImages:
		n := min(patches(width, height, 28), 4784)
		return n, n
	case miniImages:
		n := int64(2833)
		if !low {
			n += 5667 * tiles(width, height)
		}
		return n, n
	}
	all := patches(width, height, 32)
	tiled := int64(85)
	if !low {
		tiled += 170 * tiles(width, height)
	}
	scaled := func(n, most int64, factor float64) int64 { return int64(math.Ceil(float64(min(n, most)) * factor)) }
	// Low detail isn't known to be less for models of patches.
	return max(tiled, scaled(all, 1536, 1.62)), max(tiled, scaled(all, 6144, 2.46), scaled(all, 30_000, 1.2))
}

// patches returns how many squares of that side cover an image.
func patches(width, height, side int) int64 {
	return int64((width+side-1)/side) * int64((height+side-1)/side)
}

// tiles returns how many tiles of 512 pixels cover an image that has been scaled to fit 2,048 by
// 2,048 pixels, and then to have a shorter side of 768 at most.
func tiles(width, height int) int64 {
	w, h := float64(width), float64(height)
	if longer := max(w, h); longer > 2048 {
		w, h = w*2048/longer, h*2048/longer
	}
	if shorter := min(w, h); shorter > 768 {
		w, h = w*768/shorter, h*768/shorter
	}
	return int64(math.Ceil(w/512) * math.Ceil(h/512))
}
