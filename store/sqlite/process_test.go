package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/sqlite"
)

func contextWithTimeout(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}

// The test binary runs itself as the other processes; this variable says what to do: "WHAT NUMBER PATH".
const roleVariable = "BERTH_SQLITE_TEST_ROLE"

func TestMain(m *testing.M) {
	role := os.Getenv(roleVariable)
	if role == "" {
		os.Exit(m.Run())
	}
	f := strings.SplitN(role, " ", 3)
	n, _ := strconv.Atoi(f[1])
	if err := map[string]func(n int, path string) error{"churn": churn, "write": write}[f[0]](n, f[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// process starts the test binary in a role.
func process(t *testing.T, what string, n int, path string) (*exec.Cmd, *bufio.Reader, *strings.Builder) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %s", roleVariable, what, n, path))
	stderr := new(strings.Builder)
	cmd.Stderr = stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd, bufio.NewReader(out), stderr
}

const churnRounds = 12

// churn creates, starts, renames and removes containers, opening the store anew for each round as short-lived commands do.
func churn(n int, path string) error {
	ctx := context.Background()
	for i := range churnRounds {
		s, err := sqlite.Open(ctx, path, paths)
		if err != nil {
			return err
		}
		c := web(1000*n + i)
		id := c.Config.ID
		for step, do := range []func(w store.ContainerWriter) error{
			func(w store.ContainerWriter) error { return w.Add(c) },
			func(w store.ContainerWriter) error {
				return w.SetState(id, container.State{Status: container.Running})
			},
			func(w store.ContainerWriter) error { return w.Rename(id, fmt.Sprint(c.Config.Name, "-renamed")) },
			func(w store.ContainerWriter) error {
				if i%2 == 0 {
					return nil // every second one stays
				}
				return w.Remove(id)
			},
		} {
			err := s.Update(ctx, store.Durability(step%2), func(tx store.UpdateTx) error {
				return errors.Join(do(tx.ContainerWriter()), tx.Writer().Append(created(c, event.Action(fmt.Sprint(step)))))
			})
			if err != nil {
				return fmt.Errorf("round %d, step %d: %w", i, step, err)
			}
		}
		if err := s.View(ctx, func(tx store.Tx) error { _, err := tx.Containers().All(); return err }); err != nil {
			return err
		}
		if err := s.Close(); err != nil {
			return err
		}
	}
	return nil
}

func TestManyProcessesShareOneNewDatabaseWhileAForeignReaderReads(t *testing.T) {
	const processes = 8
	path := filepath.Join(t.TempDir(), "new", "berth.db")
	type child struct {
		cmd    *exec.Cmd
		stderr *strings.Builder
	}
	var children []child
	for n := range processes { // all of them find no database, and create it
		cmd, _, stderr := process(t, "churn", n, path)
		children = append(children, child{cmd, stderr})
	}
	for {
		if _, err := os.Stat(path); err == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	foreign := shell(t, path)
	must(t, foreign("BEGIN"))
	must(t, foreign("SELECT count(*) FROM container"))
	for n, c := range children {
		if err := c.cmd.Wait(); err != nil {
			t.Errorf("process %d: %v: %s", n, err, c.stderr)
		}
	}
	must(t, foreign("COMMIT"))
	s := open(t, path)
	if got, want := len(names(t, s)), processes*churnRounds/2; got != want {
		t.Errorf("expected %d containers, got %d", want, got)
	}
	steps := map[string]int{}
	var last uint64
	must(t, s.View(t.Context(), func(tx store.Tx) error {
		return tx.Events().After(0, func(e event.Event) bool {
			if e.Seq != last+1 {
				t.Errorf("event %d follows %d", e.Seq, last)
			}
			last = e.Seq
			if want := fmt.Sprint(steps[e.ID]); string(e.Action) != want {
				t.Errorf("container %s: expected event %s, got %s", e.Name, want, e.Action)
			}
			steps[e.ID]++
			return true
		})
	}))
	if want := uint64(processes * churnRounds * 4); last != want {
		t.Errorf("expected %d events, got %d", want, last)
	}
	must(t, sqlite.Check(t.Context(), path))
}

// write adds containers from number n on, and says so after each commit.
func write(n int, path string) error {
	s, err := sqlite.Open(context.Background(), path, paths)
	if err != nil {
		return err
	}
	for ; ; n++ {
		c := web(n)
		err := s.Update(context.Background(), store.Durability(n%2), func(tx store.UpdateTx) error {
			return errors.Join(tx.ContainerWriter().Add(c), tx.Writer().Append(created(c, event.Create)))
		})
		if err != nil {
			return err
		}
		fmt.Println(n)
	}
}

func TestWhatAKilledWriterHadCommittedIsThereAndNothingHalf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "berth.db")
	next := 0
	for round := range 12 {
		cmd, out, stderr := process(t, "write", next, path)
		if _, err := out.ReadString('\n'); err != nil {
			t.Fatalf("round %d: the writer did nothing: %v: %s", round, err, stderr)
		}
		time.Sleep(rand.N(20 * time.Millisecond))
		cmd.Process.Kill()
		said, _ := io.ReadAll(out)
		cmd.Wait()
		said = append([]byte(fmt.Sprintln(next)), said...)
		lines := strings.Fields(string(said))
		committed, _ := strconv.Atoi(lines[len(lines)-1])

		s := open(t, path)
		var containers, events int
		must(t, s.View(t.Context(), func(tx store.Tx) error {
			all, err := tx.Containers().All()
			last, lastErr := tx.Events().Last()
			containers, events = len(all), int(last)
			return errors.Join(err, lastErr)
		}))
		if containers != events {
			t.Fatalf("round %d: %d containers but %d events", round, containers, events)
		}
		if containers <= committed || containers > committed+2 {
			t.Fatalf("round %d: container %d was the last known to be committed, expected it and at most one more, got %d containers", round, committed, containers)
		}
		next = containers
		s.Close()
	}
	must(t, sqlite.Check(t.Context(), path))
}

func TestAWatchIsWokenByAnotherProcessAndByItsDeath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "berth.db")
	s := open(t, path)
	ch, err := s.Watch(t.Context())
	must(t, err)
	cmd, out, stderr := process(t, "write", 0, path)
	if _, err := out.ReadString('\n'); err != nil {
		t.Fatalf("the writer did nothing: %v: %s", err, stderr)
	}
	woken := func(why string) {
		t.Helper()
		select {
		case <-ch:
		case <-time.After(20 * time.Second):
			t.Fatalf("expected to be woken by %s", why)
		}
	}
	woken("another process's commit")
	cmd.Process.Kill()
	io.Copy(io.Discard, out)
	cmd.Wait()
	for drained := false; !drained; {
		select {
		case <-ch:
		case <-time.After(100 * time.Millisecond):
			drained = true
		}
	}
	// A process that dies between its commit and telling of it has the lock file open until then, as this one has.
	f, err := os.OpenFile(path+"-lock", os.O_RDWR, 0)
	must(t, err)
	f.Close()
	woken("the end of a process that could not tell of its commit")
}
