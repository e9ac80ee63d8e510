package verb

import (
	"bufio"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/berth-engine/berth/test/sandbox"
)

func TestStatsSayWhatAContainerUses(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	// It keeps 20 MB in a tmpfs, which is memory of its control group, has two processes, and uses up a processor for a while.
	s.OK("run", "-d", "--name", "busy", "--memory", "64m", "--tmpfs", "/data", bb, "sh", "-c",
		"head -c 20000000 /dev/zero > /data/x; i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; touch /data/ready; sleep 1000 & sleep 1000")
	s.OK("run", "-d", "--name", "shared", "--network", "host", bb, "sleep", "1000")
	s.OK("create", "--name", "idle", bb, "true")
	s.Eventually("the work to be done", func() bool { return s.Berth("exec", "busy", "test", "-e", "/data/ready").Code == 0 })
	s.Eventually("the processes to be there", func() bool {
		return s.OK("stats", "--no-stream", "--format", "{{.PIDs}}", "busy") == "2"
	})

	field := func(name, of string) float64 {
		var v float64
		if err := json.Unmarshal([]byte(s.OK("stats", "--no-stream", "--format", "{{."+name+"}}", of)), &v); err != nil {
			t.Fatalf("%s of %s: %v", name, of, err)
		}
		return v
	}
	if got := field("MemLimit", "busy"); got != 64<<20 {
		t.Errorf("limit of memory: expected %d, got %v", 64<<20, got)
	}
	if got := field("CPUNano", "busy"); got < float64(10*time.Millisecond) {
		t.Errorf("processor time: expected 10 ms and more of a loop of 300,000, got %v", time.Duration(got))
	}
	usage := s.OK("stats", "--no-stream", "--format", "{{.MemUsage}}", "busy")
	var mb float64
	if err := json.Unmarshal([]byte(strings.Split(usage, "MB")[0]), &mb); err != nil || mb < 20 || mb > 64 {
		t.Errorf("memory: expected 20 MB and a little more, got %s", usage)
	}
	sandbox.Equal(t, "network I/O of one with the host's network", s.OK("stats", "--no-stream", "--format", "{{.NetIO}}", "shared"), "-- / --")
	sandbox.Equal(t, "network I/O of one without a network", s.OK("stats", "--no-stream", "--format", "{{.NetIO}}", "busy"), "0B / 0B")

	names := func(args ...string) string {
		lines := strings.Fields(s.OK(append([]string{"stats", "--no-stream", "--format", "{{.Name}}"}, args...)...))
		return strings.Join(lines, " ")
	}
	sandbox.Equal(t, "those that run", names(), "busy shared")
	sandbox.Equal(t, "all", names("-a"), "busy shared idle")
	sandbox.Equal(t, "those named, in that order", names("idle", "busy"), "idle busy")
	sandbox.Equal(t, "one that does not run", s.OK("stats", "--no-stream", "--format", "{{.CPUPerc}} {{.MemUsage}} {{.PIDs}}", "idle"), "-- -- / -- --")
	s.Fails(125, []string{"no such container", "nobody"}, "stats", "--no-stream", "nobody")
}

func TestStatsGoOnUntilTheContainersNamedAreGone(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--name", "c", bb, "sleep", "1000")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := s.Command(ctx, "stats", "-i", "1", "--no-trunc", "--format", "{{.Name}} {{.PIDs}}", "c")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	expect := func(expected string) {
		t.Helper()
		for lines.Scan() {
			if lines.Text() == expected {
				return
			}
		}
		t.Errorf("expected a report %q, and there was none more", expected)
	}
	expect("c 1")
	expect("c 1")
	s.OK("stop", "-t", "0", "c")
	expect("c --")
	s.OK("rename", "c", "d")
	expect("d --")
	s.OK("rm", "d")
	for lines.Scan() {
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("expected it to end well when the container is gone, got %v", err)
	}
}
