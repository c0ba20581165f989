package answers

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"strings"

	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// embeddingSize is how many numbers are in an embedding unless the request asks for fewer.
const embeddingSize = 3072

// An Embedding is the vector of a text.
type Embedding struct {
	Values []float32 `json:"values"`
}

// Embed returns the embedding of a text, of as many numbers as the request asks for.
func Embed(r *wire.EmbedRequest) Embedding {
	return Embedding{Values: vector(textOf(&r.Content), max(r.OutputDimensionality, r.OutputDimensionalityS))}
}

// vector returns a unit vector that depends on the text alone.
func vector(text string, size int) []float32 {
	if size <= 0 || size > embeddingSize {
		size = embeddingSize
	}
	sum := sha256.Sum256([]byte(text))
	rng := rand.New(rand.NewPCG(binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:16])))
	v := make([]float32, size)
	var norm float64
	for i := range v {
		x := rng.NormFloat64()
		v[i] = float32(x)
		norm += x * x
	}
	scale := float32(1 / math.Sqrt(norm))
	for i := range v {
		v[i] *= scale
	}
	return v
}

// textOf returns the text of a content.
func textOf(c *wire.Content) string {
	var texts []string
	for _, p := range c.Parts {
		if p.Text != nil {
			texts = append(texts, *p.Text)
		}
	}
	return strings.Join(texts, "\n")
}
