package emulatortest

import (
	"os"
	"strconv"
	"strings"
)

// process identifies a process beyond the reuse of its ID.
type process struct {
	PID    int
	Start  string // in clock ticks since the machine started
	GoTest bool   // whether it is the go command
}

// identify describes the process that has the ID now.
func identify(pid int) process {
	name, _, start, ok := stat(pid)
	if !ok {
		return process{PID: pid}
	}
	return process{PID: pid, Start: start, GoTest: name == "go"}
}

// alive reports whether the process still runs. A zombie doesn't.
func (p process) alive() bool {
	_, status, start, ok := stat(p.PID)
	return ok && start == p.Start && status != "Z" && status != "X"
}

// stat returns fields 2, 3 and 22 of /proc/pid/stat; see proc(5).
func stat(pid int) (name, status, start string, ok bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", "", "", false
	}
	// The name is in parentheses and may itself contain any character.
	before, after, found := strings.Cut(string(text), "(")
	end := strings.LastIndex(after, ")")
	if !found || end < 0 || before == "" {
		return "", "", "", false
	}
	fields := strings.Fields(after[end+1:])
	const startField = 22 - 3
	if len(fields) <= startField {
		return "", "", "", false
	}
	return after[:end], fields[0], fields[startField], true
}
