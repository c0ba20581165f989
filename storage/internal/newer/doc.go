// Package newer keeps what the documents of projects tell of a control document newer than
// the one that an instance knows. It is pure.
package newer
