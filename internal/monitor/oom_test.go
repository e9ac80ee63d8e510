package monitor

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// counting is a counter that follows a file.
func counting(t *testing.T, path string) *oomCounter {
	t.Helper()
	l := &loop{}
	if err := l.open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(l.epoll) })
	c := &oomCounter{loop: l, fd: openRead(path)}
	if c.fd < 0 {
		t.Fatalf("cannot open %s", path)
	}
	t.Cleanup(func() { l.close(c.fd) })
	c.follow()
	return c
}

func TestOOMKillBeforeTheStartDoesNotCount(t *testing.T) {
	path := filepath.Join(t.TempDir(), "memory.events")
	for _, step := range []struct {
		text     string
		expected bool
	}{{"low 0\noom 3\noom_kill 1\n", false}, {"low 0\noom 9\noom_kill 2\noom_group_kill 0\n", true}} {
		if err := os.WriteFile(path, []byte(step.text), 0o600); err != nil {
			t.Fatal(err)
		}
		c := &oomCounter{loop: &loop{}, fd: openRead(path), start: 1}
		c.ready(0)
		syscall.Close(c.fd)
		if got := c.killed(); got != step.expected {
			t.Errorf("killed after %q: %v; expected %v", step.text, got, step.expected)
		}
	}
}

// systemd removes a scope's control group when its last process has gone, often before the monitor looks.
func TestOOMKillIsKnownAfterTheControlGroupIsGone(t *testing.T) {
	group, file := memoryGroup(t)
	c := counting(t, file)
	c.count++ // what the kernel says of a kill
	if err := os.Remove(group); err != nil {
		t.Fatal(err)
	}
	c.ready(0)
	if !c.killed() {
		t.Error("the kill is forgotten; expected it to be known")
	}
	if c.fd != -1 {
		t.Errorf("file %d of the removed group is kept; expected it closed", c.fd)
	}
}

func TestRemovedControlGroupDoesNotKeepTheLoopBusy(t *testing.T) {
	group, file := memoryGroup(t)
	c := counting(t, file)
	if err := os.Remove(group); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		c.loop.wait(0)
	}
	if c.loop.wait(0) {
		t.Error("the loop has something to do; expected the removed group to be left alone")
	}
}

// memoryGroup makes a control group with the memory controller. file has its count.
func memoryGroup(t *testing.T) (dir, file string) {
	t.Helper()
	top, name := "/sys/fs/cgroup/memory", "memory.oom_control"
	if _, err := os.Stat(top); err != nil {
		top, name = "/sys/fs/cgroup", "memory.events"
	}
	dir, err := os.MkdirTemp(top, "berth-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(dir) })
	return dir, filepath.Join(dir, name)
}
