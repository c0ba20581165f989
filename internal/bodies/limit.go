package bodies

import (
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

const (
	// itself is what an instance takes without any body, in bytes. `fluxgate bench memory`
	// prints what it is at idle, about half of this.
	itself = 64 << 20
	// unlimited is the budget where nothing says how much memory there is.
	unlimited = 512 << 20
)

// Default returns how large a budget is of which nobody says it, in a process that has
// so many bytes; 0: nobody knows. All of it, half as much again for what isn't collected
// yet, and what an instance takes itself are what it has.
func Default(limit int64) int64 {
	if limit == 0 {
		return unlimited
	}
	return max(0, (limit-itself)/3*2)
}

// Needed is the least memory with which Default is a budget of that size, in bytes, as
// whole MiB.
func Needed(budget int64) int64 { return (budget/2*3 + itself + 1<<20 - 1) >> 20 << 20 }

// containerFiles say how much memory a container has. In the first, of cgroup v2, it is
// the container's own where it sees itself as the root. The second is of cgroup v1,
// as Cloud Run's first generation has it (captured in a public issue,
// github.com/KimMachineGun/automemlimit/issues/7; its second generation is a Linux with
// the first).
var containerFiles = []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}

// Limit returns how much memory this process may take, in bytes, and 0 where nothing says
// so. Where only the container does, Go's runtime is told nine tenths of it: the rest is
// for what the runtime doesn't count.
func Limit() int64 { return limit(containerFiles) }

func limit(files []string) int64 {
	if told := debug.SetMemoryLimit(-1); told != math.MaxInt64 {
		return told // GOMEMLIMIT, or this has been called before
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		// "max", or of cgroup v1 a number near the largest there is: none.
		n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		if err != nil || n <= 0 || n > 1<<50 {
			continue
		}
		n -= n / 10
		debug.SetMemoryLimit(n)
		return n
	}
	return 0
}
