package app

import "time"

// near returns how much later than they were sent requests arrive at other providers than Gemini, where that is measured.
func (a *App) near() (all map[string]time.Duration) {
	for name, p := range a.paths {
		late := p.Late()
		if late == 0 {
			continue
		}
		if all == nil {
			all = make(map[string]time.Duration)
		}
		all[name] = late
	}
	return all
}

// apart returns how far instances' clocks may be apart: with several of them one may send what takes the place of what another has
// sent. Each clock is off by half of what the store says, at most, where these are alike.
func (a *App) apart() time.Duration {
	earliest, latest := a.store.Between()
	return latest.Sub(earliest)
}
