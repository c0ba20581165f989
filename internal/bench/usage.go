package bench

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Usage is what the operating system accounts to a process since its start.
type Usage struct {
	CPU           time.Duration // in user and system mode, of all threads
	PeakBytes     int64         // most resident memory so far
	ResidentBytes int64         // resident memory now; where the system doesn't tell, the most so far
}

func parseUsage(line string) (Usage, error) {
	fields := strings.Fields(line)
	if len(fields) != 4 || fields[0] != askUsage {
		return Usage{}, fmt.Errorf("read usage: %q is none", line)
	}
	cpu, err := strconv.ParseInt(fields[1], 10, 64)
	peak, err2 := strconv.ParseInt(fields[2], 10, 64)
	resident, err3 := strconv.ParseInt(fields[3], 10, 64)
	if err := errors.Join(err, err2, err3); err != nil {
		return Usage{}, fmt.Errorf("read usage: %w", err)
	}
	return Usage{time.Duration(cpu), peak, resident}, nil
}

// Lines of /proc/self/status.
const (
	highWater = "VmHWM:" // most resident memory so far
	resident  = "VmRSS:" // resident memory now
)

// memory finds a line in the text of /proc/self/status, in bytes.
func memory(status, name string) (int64, error) {
	for line := range strings.Lines(status) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok {
			continue
		}
		fields := strings.Fields(rest)
		if len(fields) != 2 || fields[1] != "kB" {
			break
		}
		n, err := strconv.ParseInt(fields[0], 10, 64)
		if err != nil {
			break
		}
		return n << 10, nil
	}
	return 0, fmt.Errorf("read memory: there is no %s", name)
}
