//go:build !unix

package wait

import "os"

// passed are the signals that a command is passed.
var passed = []os.Signal{os.Interrupt}

// forwards reports whether a signal is to be passed on: a console's keys reach the command by themselves.
func forwards(os.Signal) bool { return false }

// endedBy returns the number of the signal that ended a command: there are none here.
func endedBy(*os.ProcessState) (number int, ok bool) { return 0, false }
