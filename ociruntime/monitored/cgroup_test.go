package monitored

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// A monitor and its runtime may be killed before the runtime has written down what it has made.
func TestDeletingByForceEmptiesTheScopeThatAKilledRuntimeHasLeft(t *testing.T) {
	slice := "berthtest" + strconv.Itoa(os.Getpid())
	top := "/sys/fs/cgroup"
	if _, err := os.Stat(filepath.Join(top, "cgroup.controllers")); err != nil {
		top = filepath.Join(top, "pids")
	}
	parent := filepath.Join(top, slice+".slice")
	scope := filepath.Join(parent, slice+"-inner.slice", "berth-c.scope")
	inner := filepath.Join(scope, "container")
	if err := os.MkdirAll(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for dir := inner; dir != top; dir = filepath.Dir(dir) {
			_ = os.Remove(dir)
		}
	})
	left := exec.Command("sleep", "1000")
	if err := left.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = left.Process.Kill() })
	if err := os.WriteFile(filepath.Join(inner, "cgroup.procs"), []byte(strconv.Itoa(left.Process.Pid)), 0); err != nil {
		t.Fatal(err)
	}
	bundle := t.TempDir()
	spec := `{"linux":{"cgroupsPath":"` + slice + `-inner.slice:berth:c"}}`
	if err := os.WriteFile(filepath.Join(bundle, "config.json"), []byte(spec), 0o600); err != nil {
		t.Fatal(err)
	}
	r := New(Options{RuntimePath: "/usr/bin/crun", RunRoot: t.TempDir(), SystemdCgroup: true})
	if err := r.remember("c", bundle); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = left.Wait(); close(ended) }()
	if err := r.Delete(context.Background(), "c", true); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(cgroupPatience):
		t.Error("the process that was left runs; expected it to be killed")
	}
	if _, err := os.Stat(scope); err == nil {
		t.Errorf("%s is there; expected it to be removed", scope)
	}
}
