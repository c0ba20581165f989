package app

import "time"

// near returns how much later than they were sent requests arrive at other providers than Gemini, where that is measured. With
// several instances one may send what takes the place of what another has sent: each clock is off by half of what the store
// says, at most, where these are alike.
func (a *App) near() (all map[string]time.Duration) {
	for name, p := range a.paths {
		late := p.Late()
		if late == 0 {
			continue
		}
		if all == nil {
			all = make(map[string]time.Duration)
		}
		earliest, latest := a.store.Between()
		all[name] = late + latest.Sub(earliest)
	}
	return all
}
