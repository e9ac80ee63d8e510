package lock_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/berth-engine/berth/lock"
)

// holders are those of the table, as "ID held|shared|waits PID".
func holders(t *testing.T, l *lock.Table, ids ...string) []string {
	t.Helper()
	list, err := l.Holders(t.Context(), ids)
	must(t, err)
	var lines []string
	for _, h := range list {
		word := "held"
		switch {
		case h.Waiting:
			word = "waits"
		case h.Shared:
			word = "shared"
		}
		if h.Command == "" {
			t.Errorf("expected the command of process %d", h.PID)
		}
		if age := time.Since(h.Since); !h.Waiting && (age < -time.Second || age > time.Minute) {
			t.Errorf("expected the time of a lock just taken, got %v", h.Since)
		}
		lines = append(lines, fmt.Sprintf("%.8s %s %d", h.ID, word, h.PID))
	}
	slices.Sort(lines)
	return lines
}

func TestHoldersAndWaitersAreNamed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	l := lock.Open(dir)
	volume := lock.Name("volume:data")
	if got := holders(t, l, id); got != nil {
		t.Errorf("expected nobody before the first lock, got %q", got)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), holderVariable+"="+dir)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	_, err = out.Read(make([]byte, 100))
	must(t, err)

	unlock, err := l.RLock(t.Context(), volume)
	must(t, err)
	defer unlock()
	waited := make(chan struct{})
	go func() {
		defer close(waited)
		if unlock, err := l.Lock(t.Context(), id); err == nil {
			unlock()
		}
	}()
	want := []string{
		fmt.Sprintf("%.8s held %d", id, cmd.Process.Pid), fmt.Sprintf("%.8s waits %d", id, os.Getpid()), fmt.Sprintf("%.8s shared %d", volume, os.Getpid()),
	}
	var got []string
	for deadline := time.Now().Add(20 * time.Second); !reflect.DeepEqual(got, want) && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		got = holders(t, l, id, volume)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("expected %q, got %q", want, got)
	}
	must(t, cmd.Process.Kill())
	<-waited
	if got, want := holders(t, l), []string{fmt.Sprintf(" shared %d", os.Getpid())}; !reflect.DeepEqual(got, want) {
		t.Errorf("expected one that is not asked for without a name, %q, got %q", want, got)
	}
}
