package scheduler

// InWindow returns what was sent and counts on the calendar at now: requests,
// and the tokens that they weigh against TPM.
func (c *Calendar) InWindow(rules *Rules, now Instant) (requests, tokens int64) {
	t := c.terms(rules, now)
	for _, r := range c.Sent {
		if r.End > now {
			requests += r.Requests
			tokens += t.weight(r.Tokens)
		}
	}
	for _, x := range c.Coarse {
		if x.End > now {
			requests += x.Requests
			tokens += t.weight(x.Tokens)
		}
	}
	return requests, tokens
}
