package newer

// Epochs are those that were heard of. The zero value has heard of none. They are not for
// several goroutines at a time.
type Epochs struct {
	heard   int64 // the newest beyond what is known; 0: none
	refuted int64 // one that a read didn't find although it had been heard of: it was lost
}

// Hear notes the epoch that a project's document tells: whoever wrote that knew of a control
// document as new as this.
func (e *Epochs) Hear(epoch, known int64) {
	if epoch > max(known, e.heard, e.refuted) {
		e.heard = epoch
	}
}

// Heard returns the newest epoch beyond what is known, 0 where there is none. Whoever begins
// to read the control document keeps it for Read.
func (e *Epochs) Heard() int64 { return e.heard }

// Read notes the epoch of a control document that was read or written, and what had been
// heard of when that began; 0: nothing. What had been is there, or is no more.
func (e *Epochs) Read(epoch, sought int64) {
	switch {
	case epoch >= e.heard:
		e.heard = 0
	case sought == e.heard:
		e.heard, e.refuted = 0, sought
	}
}
