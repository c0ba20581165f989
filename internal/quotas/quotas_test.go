package quotas

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each limit is taken that some provider has, and what is wrong with another is said.
func TestCheck(t *testing.T) {
	for text, want := range map[string]string{
		`{"of":"requests","most":50,"per":"10s"}`:                                "",
		`{"of":"tokens","most":5000,"per":"1s","model":"m"}`:                     "",
		`{"of":"requests","most":60,"burst":1}`:                                  "",
		`{"of":"requests","most":1000,"per":"24h","burst":1000}`:                 "",
		`{"of":"requests","most":1000,"per":"day","zone":"America/Los_Angeles"}`: "",
		`{"of":"output_tokens","most":8000}`:                                     "",
		`{"of":"input_tokens","most":7000,"burst":7000}`:                         "",
		`{"of":"at_a_time","most":4}`:                                            "",
		`{"of":"requests","most":50,"per":"10s","late":"50ms"}`:                  "",
		`{"of":"requests","most":60,"burst":1,"late":"1s"}`:                      "",
		`{"of":"requests","most":50,"per":"10s","late":"soon"}`:                  "late: want a duration",
		`{"of":"requests","most":50,"per":"10s","late":"-1s"}`:                   "late: want a duration",
		`{"of":"requests","most":50,"per":"10s","late":"1m"}`:                    "late: want a duration",
		`{"of":"at_a_time","most":4,"late":"50ms"}`:                              "late: want it of requests",
		`{"of":"requests","most":9,"per":"day","late":"50ms"}`:                   "late: want it of requests",
		`{"of":"requests","most":50}`:                                            "FLUXGATE_LIMITS",
		`{"of":"requests","most":50,"per":"7s"}`:                                 "per: want 1s",
		`{"of":"requests","most":50,"per":"10s","burst":1}`:                      "per: want 1s",
		`{"of":"requests","most":50,"per":"soon"}`:                               "per: want 1s",
		`{"of":"requests","most":0,"per":"10s"}`:                                 "most",
		`{"of":"images","most":1}`:                                               "of: want",
		`{"of":"tokens","most":1000,"per":"day"}`:                                "per day",
		`{"of":"requests","most":1000,"per":"day","zone":"Mars"}`:                "zone",
		`{"of":"requests","most":1000,"per":"10s","zone":"UTC"}`:                 "zone",
		`{"of":"output_tokens","most":8000,"per":"1h"}`:                          "output_tokens",
		`{"of":"input_tokens","most":8000,"per":"24h"}`:                          "input_tokens",
		`{"of":"input_tokens","most":8000,"late":"50ms"}`:                        "late",
		`{"of":"at_a_time","most":4,"per":"1s"}`:                                 "at_a_time",
	} {
		var l Limit
		require.NoError(t, json.Unmarshal([]byte(text), &l))
		err := errors.Join(List{l}.Check()...)
		if want == "" {
			assert.NoError(t, err, text)
			continue
		}
		assert.ErrorContains(t, err, "limits, entry 1: ", text)
		assert.ErrorContains(t, err, want, text)
	}
}
