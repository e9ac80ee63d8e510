package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Terminal is a person at a terminal: a command that runs on a pseudo terminal, whose other end the test types at and reads.
type Terminal struct {
	s      *Sandbox
	cmd    *exec.Cmd
	master *os.File
	// slave is kept open, so that the terminal's settings can be read after the command has ended.
	slave  *os.File
	before unix.Termios

	mu     sync.Mutex
	output strings.Builder
	read   int // how much of output Expect has gone past
	done   chan struct{}
	code   int
}

// openTerminal makes a pseudo terminal (pts(4)).
func openTerminal() (master, slave *os.File, err error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	master = os.NewFile(uintptr(fd), "/dev/ptmx")
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		master.Close()
		return nil, nil, err
	}
	return master, slave, nil
}

// Terminal starts berth on a new terminal of 80 columns and 24 rows, as the leader of its session.
func (s *Sandbox) Terminal(args ...string) *Terminal {
	s.t.Helper()
	master, slave, err := openTerminal()
	if err != nil {
		s.t.Fatal(err)
	}
	t := &Terminal{s: s, master: master, slave: slave, done: make(chan struct{})}
	t.Resize(80, 24)
	t.before = t.settings()
	t.cmd = exec.Command(s.Program("berth"), args...)
	t.cmd.Env, t.cmd.Dir = append(s.Env, "TERM=xterm"), s.Dir
	t.cmd.Stdin, t.cmd.Stdout, t.cmd.Stderr = slave, slave, slave
	t.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := t.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go t.copyOutput()
	go t.wait()
	s.t.Cleanup(t.close)
	return t
}

func (t *Terminal) copyOutput() {
	buf := make([]byte, 64<<10)
	for {
		n, err := t.master.Read(buf)
		t.mu.Lock()
		t.output.Write(buf[:n])
		t.mu.Unlock()
		if err != nil && !errors.Is(err, syscall.EINTR) {
			return
		}
	}
}

func (t *Terminal) wait() {
	err := t.cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		t.code = exit.ExitCode()
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			t.code = 128 + int(ws.Signal())
		}
	}
	close(t.done)
}

func (t *Terminal) close() {
	select {
	case <-t.done:
	default:
		_ = t.cmd.Process.Kill()
		<-t.done
	}
	t.slave.Close()
	t.master.Close()
}

// Pid is the command's process.
func (t *Terminal) Pid() int { return t.cmd.Process.Pid }

// Type sends what a person types.
func (t *Terminal) Type(keys string) {
	t.s.t.Helper()
	if _, err := t.master.WriteString(keys); err != nil {
		t.s.t.Fatalf("type %q: %v", keys, err)
	}
}

// Output is everything shown so far.
func (t *Terminal) Output() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.output.String()
}

// Expect waits until the text is shown after what earlier calls have found.
func (t *Terminal) Expect(text string) {
	t.s.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		t.mu.Lock()
		all := t.output.String()
		i := strings.Index(all[t.read:], text)
		if i >= 0 {
			t.read += i + len(text)
		}
		t.mu.Unlock()
		if i >= 0 {
			return
		}
		if time.Now().After(deadline) {
			t.s.t.Fatalf("expected %q on the terminal, got %q", text, all[t.read:])
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Resize changes the window, as a person does with the mouse.
func (t *Terminal) Resize(columns, rows uint16) {
	t.s.t.Helper()
	err := unix.IoctlSetWinsize(int(t.slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: rows})
	if err != nil {
		t.s.t.Fatalf("resize: %v", err)
	}
}

func (t *Terminal) settings() unix.Termios {
	t.s.t.Helper()
	termios, err := unix.IoctlGetTermios(int(t.slave.Fd()), unix.TCGETS)
	if err != nil {
		t.s.t.Fatalf("read the terminal's settings: %v", err)
	}
	return *termios
}

// Raw reports whether the command has taken the terminal out of line mode.
func (t *Terminal) Raw() bool {
	t.s.t.Helper()
	return t.settings().Lflag&unix.ICANON == 0
}

// Wait waits for the command's end and returns its exit code. The terminal must then be as it was before.
func (t *Terminal) Wait() int {
	t.s.t.Helper()
	select {
	case <-t.done:
	case <-time.After(Patience):
		_ = t.cmd.Process.Signal(syscall.SIGQUIT)
		time.Sleep(time.Second)
		t.s.t.Fatalf("berth %s did not end in %v; on the terminal: %q", strings.Join(t.cmd.Args[1:], " "), Patience, t.Output())
	}
	if after := t.settings(); after != t.before {
		t.s.t.Errorf("expected the terminal's settings as before:\n%+v\ngot\n%+v", t.before, after)
	}
	return t.code
}
