package learned

// A Cause says what stands between a request and its start.
type Cause string

// The causes of a wait or a refusal.
const (
	NoCause     Cause = ""
	ByRPM       Cause = "rpm"
	ByTPM       Cause = "tpm"
	ByRPD       Cause = "rpd"
	ByMinute    Cause = "upstream_minute" // upstream said 429 per minute
	ByDay       Cause = "upstream_day"    // upstream said 429 per day
	ByBare      Cause = "upstream_bare"   // upstream said 429 and no more
	ByTest      Cause = "limit_in_test"   // whether the day has more requests than is known is being tried
	Unavailable Cause = "unavailable"     // no quota, or retired, on this project
	TooLarge    Cause = "too_large"       // never fits
)

// OfBlock reports whether the cause is a block's that ends: upstream said no.
func (c Cause) OfBlock() bool { return c == ByMinute || c == ByDay || c == ByBare }

// Daily reports whether the cause lasts until a Pacific midnight.
func (c Cause) Daily() bool { return c == ByRPD || c == ByDay }
