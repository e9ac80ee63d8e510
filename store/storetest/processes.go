package storetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/storetest/disk"
)

// Backend is a back end that keeps a file, as the tests with several processes use it.
type Backend struct {
	// Open opens the database at a path, creating it if it is not there.
	Open func(ctx context.Context, path string) (store.Store, error)
	// Check says what is wrong with the database at a path.
	Check func(ctx context.Context, path string) error
	// Foreign holds a read transaction of its own, as a person's shell or a backup tool does, until it is released. It may be nil.
	Foreign func(t *testing.T, path string) (release func())
}

// roleVariable makes the test binary one of the processes: "ROLE NUMBER PATH".
const roleVariable = "BERTH_STORETEST_ROLE"

// longVariable, if it is set, makes the tests of this file last as long as they should before a release: make stress.
const longVariable = "BERTH_STRESS"

func long() bool { return os.Getenv(longVariable) != "" }

// Main is the TestMain of a back end's tests: it runs them or, in a process that one of them started, does what that one wants.
func Main(m *testing.M, b Backend) {
	role := os.Getenv(roleVariable)
	if role == "" {
		os.Exit(m.Run())
	}
	f := strings.SplitN(role, " ", 3)
	n, err := strconv.Atoi(f[1])
	if err == nil {
		err = b.play(f[0], n, f[2])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (b Backend) play(role string, n int, path string) error {
	ctx := context.Background()
	switch role {
	case "work":
		return b.work(ctx, n, path)
	case "hold":
		return b.hold(ctx, path)
	case "nothing":
		return nil
	case "read":
		return b.readOnce(ctx, path)
	case "write":
		return b.writeOnce(ctx, n, path)
	case "watched":
		return b.watched(ctx, n, path)
	}
	return fmt.Errorf("no such role: %s", role)
}

// Processes runs the tests with several processes on one database: many at a time, killed, with a disk that fails, and with power cuts.
func Processes(t *testing.T, b Backend) {
	t.Run("a watch is woken by another process, and by its death", b.testWatch)
	t.Run("many processes at a time", b.testMany)
	t.Run("killed writers", b.testKilled)
	t.Run("a disk that fails", b.testFailingDisk)
	t.Run("power cuts", b.testPowerCuts)
}

// child is one of the processes.
type child struct {
	*exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr *strings.Builder
}

// command is the test binary in a role.
func command(role string, n int, path string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %s", roleVariable, role, n, path))
	return cmd
}

// start starts one, which is killed at the end of the test at the latest.
func start(t *testing.T, role string, n int, path string) *child {
	t.Helper()
	c := &child{Cmd: command(role, n, path), stderr: new(strings.Builder)}
	c.Stderr = c.stderr
	in, inErr := c.StdinPipe()
	out, outErr := c.StdoutPipe()
	if err := errors.Join(inErr, outErr, c.Start()); err != nil {
		t.Fatal(err)
	}
	c.in, c.out = in, bufio.NewReader(out)
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	return c
}

// reopenEvery is after how many updates a worker opens the database anew, as a short-lived command does.
const reopenEvery = 20

// work changes the database until standard input ends, and says each deed on standard output; at the end, how many updates it made
// and how long the longest took.
func (b Backend) work(ctx context.Context, n int, path string) error {
	ended := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	s, err := b.Open(ctx, path)
	if err != nil {
		return err
	}
	w := newWorker(s, n, func(d deed) { fmt.Println(d) })
	for {
		select {
		case <-ended:
			fmt.Println("end", w.updates, int64(w.longest))
			return w.Close()
		default:
		}
		if w.updates%reopenEvery == reopenEvery-1 {
			if err := w.Close(); err != nil {
				return err
			}
			if w.Store, err = b.Open(ctx, path); err != nil {
				return err
			}
		}
		if err := w.step(ctx); err != nil {
			return err
		}
	}
}

// hold keeps one snapshot until standard input ends, and sees that it stays what it was.
func (b Backend) hold(ctx context.Context, path string) error {
	s, err := b.Open(ctx, path)
	if err != nil {
		return err
	}
	defer s.Close()
	return s.View(ctx, func(tx store.Tx) error {
		first, err := describe(tx)
		if err != nil {
			return err
		}
		fmt.Println("holding")
		io.Copy(io.Discard, os.Stdin)
		again, err := describe(tx)
		if err == nil && again != first {
			err = fmt.Errorf("the snapshot changed: expected\n%s\ngot\n%s", first, again)
		}
		return err
	})
}

// describe says what there is, short enough to be shown.
func describe(tx store.Tx) (string, error) {
	all, err := tx.Containers().All()
	last, lastErr := tx.Events().Last()
	var b strings.Builder
	fmt.Fprintln(&b, "events", last)
	for _, c := range all {
		fmt.Fprintln(&b, c.Config.ID, c.Config.Name, c.State.Run)
	}
	return b.String(), errors.Join(err, lastErr)
}

// mark is a file in the database's directory: what is written to it is not on its disk, but tells the watching test something.
const mark = "marks"

// watched changes the database under the eyes of the test, n steps long, and marks when it begins and what it has done. Errors are
// only marked: the disk is made to fail.
func (b Backend) watched(ctx context.Context, n int, path string) error {
	marks, err := os.OpenFile(path+"-"+mark, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer marks.Close()
	s, err := b.Open(ctx, path)
	if err != nil {
		return err
	}
	if err := disk.Enter(); err != nil {
		return err
	}
	say := func(text string) { marks.WriteAt([]byte(text), 0) }
	w := newWorker(s, 1, func(d deed) { say(d.String()) })
	say("begin")
	for range n {
		if err := w.step(ctx); err != nil {
			say("error " + err.Error())
		}
		// Whatever has failed, what can be read fits together.
		if err := s.View(ctx, new(observer).check); err != nil {
			return err
		}
	}
	say("end")
	return w.Close()
}

func (b Backend) testWatch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "berth.db")
	s, err := b.Open(t.Context(), path)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	defer s.Close()
	ch, err := s.Watch(t.Context())
	if err != nil {
		t.Fatalf("Watch: %v", err)
	}
	c := start(t, "work", 0, path)
	if _, err := c.out.Peek(1); err != nil {
		t.Fatalf("the writer did nothing: %v: %s", err, c.stderr)
	}
	woken := func(why string) {
		t.Helper()
		select {
		case <-ch:
		case <-time.After(soon):
			t.Fatalf("expected to be woken by %s", why)
		}
	}
	woken("another process's commit")
	c.Process.Kill()
	io.Copy(io.Discard, c.out)
	c.Wait()
	for drained := false; !drained; {
		select {
		case <-ch:
		case <-time.After(100 * time.Millisecond):
			drained = true
		}
	}
	// A process that dies between its commit and telling of it has the lock file open until then, as this one has.
	f, err := os.OpenFile(path+"-lock", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	woken("the end of a process that could not tell of its commit")
}
