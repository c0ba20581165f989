package batchlines

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"

	"fluxgate.dev/fluxgate/internal/resources"
)

// under is the name by which an upload is known, which doesn't tell its ID.
func under(upload string) string {
	sum := sha256.Sum256([]byte("name of upload " + upload))
	return resources.Uploads + "/" + hex.EncodeToString(sum[:16])
}

// A progress is what is known of an upload of which pieces have passed.
type progress struct {
	Offset int64           `json:"o"` // bytes that have passed
	State  json.RawMessage `json:"s"` // of the scanner, behind them
	Unfit  bool            `json:"u,omitempty"`
}

// seal returns a progress that can be read by whoever has the upload's ID alone.
func seal(upload string, p progress) (string, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return "", err
	}
	box, err := boxOf(upload)
	if err != nil {
		return "", err
	}
	nonce := make([]byte, box.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return "", err
	}
	return base64.RawStdEncoding.EncodeToString(box.Seal(nonce, nonce, text, nil)), nil
}

// open reads what was sealed.
func open(upload, sealed string) (p progress, err error) {
	box, err := boxOf(upload)
	if err != nil {
		return p, err
	}
	raw, err := base64.RawStdEncoding.DecodeString(sealed)
	if err != nil || len(raw) < box.NonceSize() {
		return p, errSeal
	}
	text, err := box.Open(nil, raw[:box.NonceSize()], raw[box.NonceSize():], nil)
	if err != nil {
		return p, errSeal
	}
	return p, json.Unmarshal(text, &p)
}

var errSeal = errors.New("batchlines: not sealed by this upload")

func boxOf(upload string) (cipher.AEAD, error) {
	key := sha256.Sum256([]byte("key of upload " + upload))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
