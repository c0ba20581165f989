package bench

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
)

// cfsPeriod is that in which a share of a processor is measured out, in microseconds: the
// kernel's default.
const cfsPeriod = 100_000

// groups are where control groups of processors are, by version, and what a share is
// written to there.
var groups = []struct {
	root, quota string
	format      string // of the quota, in microseconds
}{
	{"/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", "%d"},
	{"/sys/fs/cgroup", "cpu.max", "%d 100000"},
}

// throttled returns a launcher whose processes have a share of a processor each, by a
// control group of their own, and what removes the groups when the processes are gone.
// Only root may make them, on Linux.
func throttled(launch Launcher, share float64) (Launcher, func() error, error) {
	for _, g := range groups {
		parent := filepath.Join(g.root, fmt.Sprintf("fluxgate-bench-%d", os.Getpid()))
		if err := os.Mkdir(parent, 0o755); err != nil {
			continue
		}
		quota := fmt.Sprintf(g.format, int(share*cfsPeriod))
		made := []string{parent}
		end := func() error {
			var problems []error
			for i := len(made) - 1; i >= 0; i-- {
				problems = append(problems, os.Remove(made[i]))
			}
			return errors.Join(problems...)
		}
		// Version 2 hands controllers down one by one; version 1 has no such file.
		_ = os.WriteFile(filepath.Join(parent, "cgroup.subtree_control"), []byte("+cpu"), 0o644)
		probe := filepath.Join(parent, "probe")
		if os.Mkdir(probe, 0o755) != nil || os.WriteFile(filepath.Join(probe, g.quota), []byte(quota), 0o644) != nil {
			_ = os.Remove(probe)
			_ = os.Remove(parent)
			continue
		}
		made = append(made, probe)
		var n atomic.Int64
		return func(p Process) *exec.Cmd {
			cmd := launch(p)
			dir := filepath.Join(parent, strconv.FormatInt(n.Add(1), 10))
			if os.Mkdir(dir, 0o755) == nil {
				made = append(made, dir)
			}
			// A group that can't be had shows as a child that doesn't start.
			_ = os.WriteFile(filepath.Join(dir, g.quota), []byte(quota), 0o644)
			inside := exec.Command("/bin/sh", append([]string{"-c", `echo $$ >"$0/cgroup.procs" && exec "$@"`, dir, cmd.Path}, cmd.Args[1:]...)...)
			inside.Env = cmd.Env
			return inside
		}, end, nil
	}
	return nil, nil, errors.New("no control group of processors can be made here, which takes root on Linux: --share 0 measures without")
}
