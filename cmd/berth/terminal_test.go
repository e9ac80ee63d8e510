package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/engine"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/ociruntime"
)

// onTerminal runs a command line with a terminal as its three streams, and returns its exit code when it has ended.
func onTerminal(t *testing.T, s *services, terminal *os.File, args ...string) <-chan int {
	t.Helper()
	a := &app{
		in: terminal, out: terminal, err: terminal, now: func() time.Time { return testNow }, args: args,
		open: func(context.Context, settings, *slog.Logger) (*services, error) { return s, nil },
	}
	code := make(chan int, 1)
	go func() { code <- a.run(context.Background(), args) }()
	return code
}

func termios(t *testing.T, f *os.File) unix.Termios {
	t.Helper()
	mode, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return *mode
}

func ended(t *testing.T, code <-chan int) int {
	t.Helper()
	select {
	case c := <-code:
		return c
	case <-time.After(10 * time.Second):
		t.Fatal("the command did not end")
		return 0
	}
}

func TestTheTerminalIsRawWhileAttachedAndRestoredAfter(t *testing.T) {
	for name, c := range map[string]struct {
		status engine.ExitStatus
		err    error
		code   int
	}{
		"an exit":  {status: engine.ExitStatus{Code: 5}, code: 5},
		"an error": {err: errdefs.Internal("lost"), code: 125},
		"detach":   {err: ociruntime.ErrDetached},
	} {
		master, terminal := terminalPair(t)
		go io.Copy(io.Discard, master)
		before := termios(t, terminal)
		f := twoContainers()
		leave := make(chan struct{})
		f.attached = func(context.Context, engine.Streams) (engine.ExitStatus, error) {
			<-leave
			return c.status, c.err
		}
		code := onTerminal(t, with(f), terminal, "run", "-it", "img")
		waitForNoEcho(t, terminal)
		close(leave)
		if got := ended(t, code); got != c.code {
			t.Errorf("%s: expected exit code %d, got %d", name, c.code, got)
		}
		if after := termios(t, terminal); after != before {
			t.Errorf("%s: expected the terminal as it was:\n%+v\ngot:\n%+v", name, before, after)
		}
	}
}

func TestTheTerminalIsRestoredAfterASignalThatIsNotPassedOn(t *testing.T) {
	master, terminal := terminalPair(t)
	go io.Copy(io.Discard, master)
	before := termios(t, terminal)
	f := twoContainers()
	f.attached = func(ctx context.Context, _ engine.Streams) (engine.ExitStatus, error) {
		<-ctx.Done()
		return engine.ExitStatus{}, ctx.Err()
	}
	code := onTerminal(t, with(f), terminal, "run", "-it", "--sig-proxy=false", "img")
	waitForNoEcho(t, terminal)
	syscall.Kill(os.Getpid(), syscall.SIGTERM)
	if got := ended(t, code); got != 128+15 {
		t.Errorf("expected exit code 143, got %d", got)
	}
	if after := termios(t, terminal); after != before {
		t.Errorf("expected the terminal as it was:\n%+v\ngot:\n%+v", before, after)
	}
	if len(f.done) > 0 {
		t.Errorf("expected the container left alone, got %v", f.done)
	}
}

func TestTheTerminalIsNotTouchedBeforeTheContainerIsThere(t *testing.T) {
	master, terminal := terminalPair(t)
	go io.Copy(io.Discard, master)
	before := termios(t, terminal)
	f := twoContainers()
	f.err["create"] = errdefs.NotFound("no image")
	if got := ended(t, onTerminal(t, with(f), terminal, "run", "-it", "img")); got != 125 {
		t.Errorf("expected exit code 125, got %d", got)
	}
	if after := termios(t, terminal); after != before {
		t.Errorf("expected the terminal as it was:\n%+v\ngot:\n%+v", before, after)
	}
}

func TestTheWindowsSizeIsFollowed(t *testing.T) {
	master, terminal := terminalPair(t)
	go io.Copy(io.Discard, master)
	set := func(cols, rows uint16) {
		if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: cols, Row: rows}); err != nil {
			t.Fatal(err)
		}
	}
	set(80, 24)
	f := twoContainers()
	var sizes []engine.Size
	f.attached = func(_ context.Context, s engine.Streams) (engine.ExitStatus, error) {
		sizes = append(sizes, <-s.Resize)
		set(132, 43)
		syscall.Kill(os.Getpid(), syscall.SIGWINCH) // the test is not the terminal's foreground process
		sizes = append(sizes, <-s.Resize)
		return engine.ExitStatus{}, nil
	}
	ended(t, onTerminal(t, with(f), terminal, "run", "-it", "img"))
	if len(sizes) != 2 || sizes[0] != (engine.Size{Width: 80, Height: 24}) || sizes[1] != (engine.Size{Width: 132, Height: 43}) {
		t.Errorf("expected 80x24 and then 132x43, got %v", sizes)
	}
	if f.started.Size != (engine.Size{Width: 80, Height: 24}) {
		t.Errorf("expected the container started at 80x24, got %v", f.started.Size)
	}
}

func TestSignalsArePassedOnByNumber(t *testing.T) {
	f := twoContainers()
	f.list[0].Config.Name = "made"
	f.attached = func(context.Context, engine.Streams) (engine.ExitStatus, error) {
		syscall.Kill(os.Getpid(), syscall.SIGUSR1)
		deadline := time.Now().Add(10 * time.Second)
		for {
			f.lock.Lock()
			n := len(f.done)
			f.lock.Unlock()
			if n > 0 || time.Now().After(deadline) {
				return engine.ExitStatus{Code: 138}, nil
			}
			time.Sleep(time.Millisecond)
		}
	}
	got := berthWith(t, with(f), nil, "run", "img")
	if got.code != 138 || strings.Join(f.done, "|") != "kill 10 "+idWeb {
		t.Errorf("expected SIGUSR1 passed on and exit code 138, got %v and %+v", f.done, got)
	}
}

func TestASignalBeforeTheStartCancelsIt(t *testing.T) {
	f := twoContainers()
	c := &slowCreate{fakeContainers: f}
	for _, args := range []string{"run img", "run -d img", "create img"} {
		begun := make(chan struct{})
		c.begun = begun
		go func() {
			<-begun
			syscall.Kill(os.Getpid(), syscall.SIGINT)
		}()
		s := with(f)
		s.Containers = c
		if got := berthWith(t, s, nil, strings.Fields(args)...); got.code != 130 || len(f.done) > 0 {
			t.Errorf("berth %s: expected exit code 130 and nothing made, got %v and %+v", args, f.done, got)
		}
	}
}

// slowCreate pulls an image for ever.
type slowCreate struct {
	*fakeContainers
	begun chan struct{}
}

func (s *slowCreate) Create(ctx context.Context, _ engine.CreateOptions) (engine.Created, error) {
	close(s.begun)
	<-ctx.Done()
	return engine.Created{}, ctx.Err()
}

func (s *slowCreate) Run(ctx context.Context, o engine.CreateOptions, _ engine.StartOptions) (engine.Created, error) {
	return s.Create(ctx, o)
}

func (s *slowCreate) RunAttached(ctx context.Context, o engine.CreateOptions, _ engine.StartOptions, _ engine.Streams, _ func(engine.Created) error) (engine.ExitStatus, error) {
	_, err := s.Create(ctx, o)
	return engine.ExitStatus{}, err
}

func TestStdinIsReadOnlyWhenAskedFor(t *testing.T) {
	for args, want := range map[string]string{
		"run img": "", "run -i img": "typed", "run -a stdin -a stdout img": "typed", "run -a stdout img": "", "run -i -a stdout img": "",
		"attach web": "typed", "attach --no-stdin web": "", "start -a db": "", "start -ai db": "typed", "start -i db": "typed",
	} {
		f := twoContainers()
		var read []byte
		f.attached = func(_ context.Context, s engine.Streams) (engine.ExitStatus, error) {
			if s.Stdin != nil {
				read, _ = io.ReadAll(s.Stdin)
			}
			return engine.ExitStatus{}, nil
		}
		got := berthWith(t, with(f), strings.NewReader("typed"), strings.Fields(args)...)
		if got.code != 0 || string(read) != want {
			t.Errorf("berth %s: expected %q read, got %q and %+v", args, want, read, got)
		}
	}
}

func TestOutputGoesWhereItBelongs(t *testing.T) {
	f := twoContainers()
	f.attached = func(_ context.Context, s engine.Streams) (engine.ExitStatus, error) {
		io.WriteString(s.Stdout, "out")
		io.WriteString(s.Stderr, "err")
		return engine.ExitStatus{}, nil
	}
	if got := berthWith(t, with(f), nil, "run", "img"); got.out != "out" || got.err != "err" {
		t.Errorf("expected the streams kept apart, got %+v", got)
	}
	f.attached = func(_ context.Context, s engine.Streams) (engine.ExitStatus, error) {
		if s.Stderr != nil {
			t.Error("expected one stream of a process that has a terminal, got two")
		}
		return engine.ExitStatus{}, nil
	}
	berthWith(t, with(f), nil, "run", "-t", "img")
}

func TestATerminalAskedForWithoutOneIsAWarning(t *testing.T) {
	for args, warned := range map[string]bool{"run -it img": true, "run -t img": false, "run -i img": false, "exec -it web sh": true} {
		got := berthWith(t, with(twoContainers()), strings.NewReader(""), strings.Fields(args)...)
		if got.code != 0 || strings.Contains(got.err, "not a TTY") != warned {
			t.Errorf("berth %s: expected exit code 0, warning %v, got %+v", args, warned, got)
		}
	}
}

// closedPipe is standard output whose reader has gone.
func closedPipe(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	t.Cleanup(func() { w.Close() })
	return w
}

func TestAClosedOutputEndsWhatRunsForIt(t *testing.T) {
	f := twoContainers()
	stopped := make(chan struct{})
	f.attached = func(_ context.Context, s engine.Streams) (engine.ExitStatus, error) {
		for {
			select {
			case <-stopped:
				return engine.ExitStatus{Code: 143}, nil
			default:
			}
			if _, err := io.WriteString(s.Stdout, "y\n"); err != nil {
				return engine.ExitStatus{}, err
			}
			f.lock.Lock()
			if len(f.done) > 0 && f.done[0] == "stop "+idWeb {
				close(stopped)
			}
			f.lock.Unlock()
		}
	}
	var errs bytes.Buffer
	s := with(f)
	a := &app{in: strings.NewReader(""), out: closedPipe(t), err: &errs, now: time.Now, open: func(context.Context, settings, *slog.Logger) (*services, error) { return s, nil }}
	if code := a.run(context.Background(), []string{"run", "img"}); code != 143 {
		t.Errorf("berth run | head: expected the container stopped and exit code 143, got %d and %s", code, errs.String())
	}

	f = twoContainers()
	f.attached = func(ctx context.Context, s engine.Streams) (engine.ExitStatus, error) {
		io.WriteString(s.Stdout, "y\n")
		<-ctx.Done()
		return engine.ExitStatus{}, ctx.Err()
	}
	s = with(f)
	a.opened = nil
	if code := a.run(context.Background(), []string{"attach", "web"}); code != 128+13 || len(f.done) != 1 {
		t.Errorf("berth attach | head: expected the container left alone and exit code 141, got %d, %v and %s", code, f.done, errs.String())
	}
}

func TestExecExitCodesAndItsEnd(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(f *fakeExecs)
		code int
		done string
	}{
		{"its own", func(f *fakeExecs) {
			f.run = func(context.Context, engine.Streams) (engine.ExitStatus, error) {
				return engine.ExitStatus{Code: 3}, nil
			}
		}, 3, "create start"},
		{"no such command", func(f *fakeExecs) { f.err = map[string]error{"start": ociruntime.ErrCommandNotFound} }, 127, "create start"},
		{"not invokable", func(f *fakeExecs) { f.err = map[string]error{"start": ociruntime.ErrCannotInvoke} }, 126, "create start"},
		{"not running", func(f *fakeExecs) { f.err = map[string]error{"create": errdefs.Conflict("not running")} }, 125, "create"},
		{"interrupted", func(f *fakeExecs) {
			f.run = func(ctx context.Context, _ engine.Streams) (engine.ExitStatus, error) {
				syscall.Kill(os.Getpid(), syscall.SIGINT)
				<-ctx.Done()
				return engine.ExitStatus{}, ctx.Err()
			}
		}, 130, "create start remove"},
		{"detached by its keys", func(f *fakeExecs) {
			f.run = func(context.Context, engine.Streams) (engine.ExitStatus, error) {
				return engine.ExitStatus{}, ociruntime.ErrDetached
			}
		}, 0, "create start"},
	} {
		x := &fakeExecs{}
		c.set(x)
		s := with(twoContainers())
		s.Execs = x
		got := berthWith(t, s, nil, "exec", "web", "true")
		if got.code != c.code || strings.Join(x.done, " ") != c.done {
			t.Errorf("berth exec, %s: expected exit code %d after %q, got %v after %q", c.name, c.code, c.done, got, x.done)
		}
	}
}

func TestExecFlagsBecomeOptions(t *testing.T) {
	x := &fakeExecs{}
	s := with(twoContainers())
	s.Execs = x
	mustPrint(t, s, "", "exec", "-t", "-e", "A=1", "-u", "me", "-w", "/srv", "--privileged", "web", "sh", "-c", "-x")
	o := x.options
	if x.ref != "web" || strings.Join(o.Command, " ") != "sh -c -x" || o.User != "me" || o.WorkDir != "/srv" || !o.Terminal || !o.Privileged || o.Stdin || o.Env[0] != "A=1" {
		t.Errorf("expected what was written, got %q and %+v", x.ref, o)
	}
	mustPrint(t, s, "session\n", "exec", "-d", "web", "sleep", "1")
	mustPrint(t, s, "", "exec", "-l", "true")
	if x.ref != idWeb {
		t.Errorf("expected the latest container, got %q", x.ref)
	}
	mustFail(t, s, exitEngine, "missing arguments", "exec", "web")
	mustFail(t, s, exitEngine, "detach-keys", "exec", "--detach-keys", "xx", "web", "sh")
}

func TestPreservedFilesAreThoseThatWereInherited(t *testing.T) {
	if _, err := preserved(0); err != nil {
		t.Errorf("expected nothing to be wrong with no file, got %v", err)
	}
	f, err := os.Open(os.DevNull) // close-on-exec, as everything that this program opens
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := preserved(uint(f.Fd()) - 2); !errors.Is(err, errdefs.ErrInvalidArgument) {
		t.Errorf("expected a descriptor of the program's own refused, got %v", err)
	}
}
