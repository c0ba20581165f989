package apierror

import "fmt"

// A Size is what of a request is too large.
type Size struct {
	Caller                   bool // for the caller's own limits
	Tokens, Requests         int64
	MostTokens, MostRequests int64 // that would fit; where both do, something else is too large
}

// TooLarge says to the caller what of its request is too large, and what would fit.
func TooLarge(s Size, cause error) *Problem {
	whose, advice := "any usable project and model can take, now or later", "Send less input."
	if s.Caller {
		whose, advice = "your own limits ever allow", "Send less input, or ask the operator."
	}
	public := fmt.Sprintf("The request is larger than %s. %s", whose, advice)
	switch {
	case s.Tokens > s.MostTokens:
		public = fmt.Sprintf("The request has %d input tokens, more than %s: the limit is %d. %s", s.Tokens, whose, s.MostTokens, advice)
	case s.Requests > s.MostRequests:
		public = fmt.Sprintf("The request counts as %d requests, more than %s: the limit is %d. %s", s.Requests, whose, s.MostRequests, advice)
	}
	return &Problem{Code: NeverFits, Public: public, Cause: cause}
}

// OverBudget says to the caller which of its budgets a request alone is more than, and how much that
// comes to at least.
func OverBudget(quota, limit, needs string, cause error) *Problem {
	return &Problem{Code: InvalidArgument, Public: fmt.Sprintf("Your budget here (quota %s, limit: %s) is less than this request alone comes to, which is %s at least. Send less at a time, or ask an administrator for more.", quota, limit, needs), Cause: cause}
}
