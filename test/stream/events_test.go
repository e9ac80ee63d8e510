package stream

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/berth-engine/berth/test/sandbox"
)

// TestFollowersSeeEachEventOnceWhoeverDies has many processes make changes, some of them killed, while others follow the events.
func TestFollowersSeeEachEventOnceWhoeverDies(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	s.Write("containers.conf", fmt.Sprintf("[engine]\nruntime = %q\nevents_logger = \"file\"\nevents_logfile_path = %q\nevents_logfile_max_size = 16384\n",
		sandbox.Runtime(), s.Write("events.log", "")))
	bb := s.LoadBusybox()
	ctx, cancel := context.WithTimeout(t.Context(), sandbox.Patience)
	defer cancel()

	followers := []*follower{follow(ctx, t, s, "--since", "seq:1"), follow(ctx, t, s)}
	// The second follows from an instant of its own on: it does so once it has seen something.
	for n := 0; !followers[1].begun(); n++ {
		s.OK("volume", "create", fmt.Sprintf("first%d", n))
	}
	var writers sync.WaitGroup
	for i := range 6 {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(i)))
			for n := range 8 {
				name := fmt.Sprintf("w%d-%d", i, n)
				args := [][]string{
					{"create", "--name", name, bb, "true"}, {"run", "--rm", "--name", name, bb, "true"}, {"volume", "create", name},
				}[r.IntN(3)]
				cmd := s.Command(ctx, args...)
				if err := cmd.Start(); err != nil {
					t.Error(err)
					return
				}
				if r.IntN(3) == 0 {
					time.Sleep(time.Duration(r.IntN(60)) * time.Millisecond)
					_ = cmd.Process.Kill()
				}
				_ = cmd.Wait()
			}
		})
	}
	writers.Wait()
	s.OK("rm", "-f", "-a", "-t", "0")
	s.OK("volume", "create", "last")
	for i, f := range followers {
		f.await(t, "last")
		f.end()
		first := f.seen[0]
		for k, seq := range f.seen {
			if seq != first+uint64(k) {
				t.Errorf("follower %d: expected each number once and in order from %d on, got %v", i, first, f.seen)
				break
			}
		}
	}
	if first := followers[0].seen[0]; first != 1 {
		t.Errorf("expected all from the first on, got those from %d on", first)
	}
	newest := followers[0].seen[len(followers[0].seen)-1]
	sandbox.Equal(t, "events by number", s.OK("events", "--stream=false", "--since", fmt.Sprintf("seq:%d", newest), "--until", fmt.Sprintf("seq:%d", newest),
		"--format", "{{.Type}} {{.Status}} {{.Name}}"), "volume create last")
	s.OK("volume", "rm", "-a")
}

// follower is a berth events in a process of its own.
type follower struct {
	cmd   *exec.Cmd
	lines chan []byte
	seen  []uint64
}

func follow(ctx context.Context, t *testing.T, s *sandbox.Sandbox, args ...string) *follower {
	t.Helper()
	f := &follower{cmd: s.Command(ctx, append([]string{"events", "--format", "json"}, args...)...), lines: make(chan []byte, 4096)}
	out, err := f.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(f.lines)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			f.lines <- bytes.Clone(lines.Bytes())
		}
	}()
	return f
}

// begun waits a moment for the first event.
func (f *follower) begun() bool {
	for range 20 {
		if len(f.lines) > 0 {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

// await reads up to the event of the object with this name.
func (f *follower) await(t *testing.T, name string) {
	t.Helper()
	for line := range f.lines {
		var e struct {
			Name string
			Seq  uint64
		}
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		f.seen = append(f.seen, e.Seq)
		if e.Name == name {
			return
		}
	}
	t.Fatalf("the stream ended before the event of %s, after %v", name, f.seen)
}

// end stops following.
func (f *follower) end() {
	_ = f.cmd.Process.Signal(syscall.SIGTERM)
	_ = f.cmd.Wait()
}
