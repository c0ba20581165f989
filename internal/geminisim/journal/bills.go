package journal

// A Bill is what the answers of a project's model cost, in tokens.
type Bill struct {
	Answers  int64
	Input    int64 // cached ones included
	Cached   int64
	Tools    int64
	Output   int64
	Thoughts int64
}

// A BillKey says whose bill it is. The model is the resolved one.
type BillKey struct {
	Project, Model string
	Batch          bool // of requests of batches, which cost less
}

// plus returns the sum of two bills.
func (b Bill) plus(more Bill) Bill {
	return Bill{
		b.Answers + more.Answers, b.Input + more.Input, b.Cached + more.Cached, b.Tools + more.Tools, b.Output + more.Output, b.Thoughts + more.Thoughts,
	}
}
