package verb

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-engine/berth/test/sandbox"
)

// limit reads a container's limit from its control group, of whichever version.
func limit(t *testing.T, s *sandbox.Sandbox, name, v1, v2 string) string {
	t.Helper()
	path := s.OK("inspect", "-f", "{{.State.CgroupPath}}", name)
	for _, dir := range []string{v1, v2} {
		controller, file, _ := strings.Cut(dir, "/")
		text, err := os.ReadFile(filepath.Join("/sys/fs/cgroup", controller, path, file))
		if err == nil {
			return strings.TrimSpace(string(text))
		}
	}
	t.Fatalf("control group %s has neither %s nor %s", path, v1, v2)
	return ""
}

func online(t *testing.T) string {
	text, err := os.ReadFile("/sys/devices/system/cpu/online")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func memoryLimit(t *testing.T, s *sandbox.Sandbox, name string) string {
	return limit(t, s, name, "memory/memory.limit_in_bytes", "./memory.max")
}

func pidsLimit(t *testing.T, s *sandbox.Sandbox, name string) string {
	return limit(t, s, name, "pids/pids.max", "./pids.max")
}

func TestUpdateChangesTheLimitsOfAContainerThatRuns(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--name", "c", "--memory", "64m", "--pids-limit", "50", bb, "sleep", "1000")
	sandbox.Equal(t, "prints", s.OK("update", "--memory", "128m", "--pids-limit", "60", "c"), "c")
	sandbox.Equal(t, "memory", memoryLimit(t, s, "c"), "134217728")
	sandbox.Equal(t, "processes", pidsLimit(t, s, "c"), "60")
	sandbox.Equal(t, "inspect", s.OK("inspect", "-f", "{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}", "c"), "134217728 60")

	s.OK("update", "--memory", "32m", "c")
	sandbox.Equal(t, "a smaller limit of memory", memoryLimit(t, s, "c"), "33554432")
	sandbox.Equal(t, "what was not named", pidsLimit(t, s, "c"), "60")
	s.OK("update", "--pids-limit", "0", "c")
	if got := pidsLimit(t, s, "c"); got != "max" && got != "4194304" {
		t.Errorf("expected no limit of processes, or one of all that there can be, got %s", got)
	}
	s.OK("update", "--cpus", "0.5", "--cpuset-cpus", "0", "c")
	s.OK("update", "--cpus", "0", "--cpuset-cpus", "", "c")
	sandbox.Equal(t, "all processors again", limit(t, s, "c", "cpuset/cpuset.cpus", "./cpuset.cpus"), online(t))
	s.OK("update", "--memory", "0", "c")
	if got := memoryLimit(t, s, "c"); got != "max" && got != "9223372036854771712" {
		t.Errorf("expected no limit of memory, got %s", got)
	}
	s.OK("update", "--memory", "32m", "c")

	s.Fails(125, []string{"below the limit of memory"}, "update", "--memory-swap", "16m", "c")
	s.Fails(125, []string{"nothing to change"}, "update", "c")
	s.Fails(125, []string{"no such container"}, "update", "--cpus", "1", "nobody")
	sandbox.Equal(t, "after what was refused", memoryLimit(t, s, "c"), "33554432")
	sandbox.Equal(t, "events", s.OK("events", "--stream=false", "--since", "1h", "--filter", "event=update", "--format", "{{.Name}}"), strings.TrimSpace(strings.Repeat("c\n", 7)))

	s.OK("restart", "-t", "0", "c")
	sandbox.Equal(t, "after a restart", memoryLimit(t, s, "c"), "33554432")
}

func TestUpdateOfAContainerThatDoesNotRunHoldsFromItsStart(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	for _, name := range []string{"a", "b"} {
		s.OK("create", "--name", name, bb, "sleep", "1000")
	}
	s.OK("update", "--memory", "48m", "--restart", "on-failure:3", "--health-cmd", "true", "--health-interval", "7s", "a", "b")
	s.OK("start", "a", "b")
	for _, name := range []string{"a", "b"} {
		sandbox.Equal(t, "memory of "+name, memoryLimit(t, s, name), "50331648")
		sandbox.Equal(t, "policy and check of "+name,
			s.OK("inspect", "-f", "{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.RestartPolicy.MaximumRetryCount}} {{.Config.Healthcheck.Interval}} {{.State.Health.Status}}", name),
			"on-failure 3 7s starting")
	}
	s.OK("update", "--no-healthcheck", "a")
	sandbox.Equal(t, "filter", s.OK("ps", "--filter", "health=starting", "--format", "{{.Names}}"), "b")
	s.Fails(125, []string{"no health check"}, "update", "--health-interval", "3s", s.OK("run", "-d", bb, "sleep", "1000"))
	s.Fails(125, []string{"removes itself"}, "update", "--restart", "always", s.OK("run", "-d", "--rm", bb, "sleep", "1000"))
}

func TestAnotherHealthCheckOfARunningContainerIsMadeAtItsOwnTimes(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--name", "c", "--health-cmd", "false", "--health-interval", "1h", bb, "sleep", "1000")
	s.OK("update", "--health-cmd", "true", "--health-interval", "100ms", "c")
	s.Eventually("it to be healthy", func() bool { return s.OK("inspect", "-f", "{{.State.Health.Status}}", "c") == "healthy" })
	s.OK("update", "--health-cmd", "false", "--health-retries", "1", "c")
	s.Eventually("it to be unhealthy", func() bool { return s.OK("inspect", "-f", "{{.State.Health.Status}}", "c") == "unhealthy" })
	s.OK("update", "--no-healthcheck", "c")
	sandbox.Equal(t, "unhealthy containers", s.OK("ps", "-q", "--filter", "health=unhealthy"), "")
}

func TestAnUpdateThatTheKernelRefusesChangesNothing(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--name", "c", "--memory", "64m", bb, "sleep", "1000")
	s.Fails(125, nil, "update", "--memory", "128m", "--cpuset-cpus", "4000", "c")
	sandbox.Equal(t, "the record", s.OK("inspect", "-f", "{{.HostConfig.Memory}}/{{.HostConfig.CpusetCpus}}", "c"), "67108864/")
	sandbox.Equal(t, "the control group", memoryLimit(t, s, "c"), "67108864")
}
