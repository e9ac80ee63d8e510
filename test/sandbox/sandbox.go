package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/berth-engine/berth/test/leak"
)

// Patience bounds how long one command may take. It is far above what any takes: it is there so that a hang is reported.
const Patience = 90 * time.Second

// settling is how long what a command has started may still be ending when the leak check looks.
const settling = 5 * time.Second

// Sandbox is one engine apart from the system's own.
type Sandbox struct {
	t testing.TB
	// Dir is the directory of the test's own files, Root the state and RunRoot the run directory. Temp is TMPDIR for every
	// command, and Home its home directory.
	Dir, Root, RunRoot, Temp, Home string
	// Env is the environment of every command.
	Env      []string
	programs string
	before   leak.Snapshot
}

// New makes a sandbox. At the end of the test its containers and volumes are removed by force, and whatever else is then left
// on the host fails the test.
func New(t testing.TB) *Sandbox {
	t.Helper()
	programs, err := Programs()
	return begin(t, "", programs, err)
}

// NewIn makes a sandbox whose directories lie in one of this name.
func NewIn(t testing.TB, name string) *Sandbox {
	t.Helper()
	programs, err := Programs()
	return begin(t, name, programs, err)
}

// NewWithFailpoints makes a sandbox whose programs have failpoints.
func NewWithFailpoints(t testing.TB) *Sandbox {
	t.Helper()
	programs, err := FailpointPrograms()
	return begin(t, "", programs, err)
}

func begin(t testing.TB, name, programs string, err error) *Sandbox {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(top, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	in := filepath.Join(dir, name)
	s := &Sandbox{
		t: t, Dir: filepath.Join(in, "files"), Root: filepath.Join(in, "root"), RunRoot: filepath.Join(in, "run"),
		Temp: filepath.Join(in, "tmp"), Home: filepath.Join(in, "home"), programs: programs,
	}
	for _, d := range []string{s.Dir, s.Temp, s.Home} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.Env = []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=" + s.Home, "TMPDIR=" + s.Temp, "LANG=C.UTF-8",
		"BERTH_ROOT=" + s.Root, "BERTH_RUNROOT=" + s.RunRoot,
		"CONTAINERS_CONF=" + s.Write("containers.conf", fmt.Sprintf("[engine]\nruntime = %q\n", Runtime())),
		"CONTAINERS_REGISTRIES_CONF=" + s.Write("registries.conf", "unqualified-search-registries = []\n"),
	}
	s.before, err = leak.Take(s.scope())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.end(dir) })
	return s
}

func (s *Sandbox) scope() leak.Scope {
	return leak.Scope{Root: s.Root, RunRoot: s.RunRoot, Temp: s.Temp}
}

// end removes everything and looks for leaks.
func (s *Sandbox) end(dir string) {
	if _, err := os.Stat(s.Root); err == nil {
		if r := s.Berth("rm", "-f", "-a", "-t", "0", "-v"); r.Code != 0 {
			s.t.Errorf("berth rm -f -a at the end of the test: %s", r)
		}
	}
	s.NoLeaks()
	s.unmountKept()
	if err := os.RemoveAll(dir); err != nil {
		s.t.Errorf("remove the sandbox: %v", err)
	}
}

// NoLeaks fails the test if anything is left on the host but images.
func (s *Sandbox) NoLeaks() {
	s.t.Helper()
	leaks, err := leak.Settle(s.scope(), s.before, settling)
	if err != nil {
		s.t.Fatal(err)
	}
	if len(leaks) > 0 {
		s.t.Errorf("expected nothing left on the host, got\n%s", leak.List(leaks))
		s.killLeft(leaks)
	}
}

// LeftNow is what is on the host at this moment that was not there before the test, but for images.
func (s *Sandbox) LeftNow() []leak.Leak {
	s.t.Helper()
	leaks, err := leak.Settle(s.scope(), s.before, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	return leaks
}

// Kill sends SIGKILL to processes and waits until they have ended: until then they keep what they have locked. One that has gone is no error;
// one that is paused ends when it is let go on, and is not waited for.
func (s *Sandbox) Kill(pids ...int) {
	s.t.Helper()
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
			s.t.Fatalf("kill process %d: %v", pid, err)
		}
	}
	for _, pid := range pids {
		s.Eventually(fmt.Sprintf("process %d to have ended", pid), func() bool { return ended(pid) || frozen(pid) })
	}
}

// frozen reports whether a process is in a control group that is frozen.
func frozen(pid int) bool {
	groups, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	for line := range strings.Lines(string(groups)) {
		controllers, path, _ := strings.Cut(strings.TrimSpace(line[strings.IndexByte(line, ':')+1:]), ":")
		file, thawed := filepath.Join("/sys/fs/cgroup/freezer", path, "freezer.state"), "THAWED"
		if controllers == "" {
			file, thawed = filepath.Join("/sys/fs/cgroup", path, "cgroup.freeze"), "0"
		} else if controllers != "freezer" {
			continue
		}
		if state, err := os.ReadFile(file); err == nil && strings.TrimSpace(string(state)) != thawed {
			return true
		}
	}
	return false
}

// ended reports whether a process has, in all its threads: the first may be a zombie while others have the files open.
func ended(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	threads, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	_, state, _ := strings.Cut(string(stat), ") ")
	return len(threads) <= 1 && (strings.HasPrefix(state, "Z") || strings.HasPrefix(state, "X"))
}

// Exists reports whether there is a file.
func (s *Sandbox) Exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// killLeft ends the processes that were reported, so that one test's fault does not disturb others.
func (s *Sandbox) killLeft(leaks []leak.Leak) {
	for _, l := range leaks {
		var pid int
		if l.Kind == leak.Process {
			if _, err := fmt.Sscan(l.Name, &pid); err == nil {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		if l.Kind == leak.Mount {
			_ = syscall.Unmount(l.Name, syscall.MNT_DETACH)
		}
	}
}

// unmountKept unmounts what an engine keeps mounted until the next boot.
func (s *Sandbox) unmountKept() {
	for _, dir := range []string{s.RunRoot, s.Root} {
		points, err := leak.MountPoints(dir)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, p := range points {
			_ = syscall.Unmount(p, syscall.MNT_DETACH)
		}
	}
}

// Write makes a file of the test's own and returns its path.
func (s *Sandbox) Write(name, content string) string {
	s.t.Helper()
	path := filepath.Join(s.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// Program is the path of a program under test: berth or berth-monitor.
func (s *Sandbox) Program(name string) string { return filepath.Join(s.programs, name) }

// Command is berth with these arguments, not started.
func (s *Sandbox) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.Program("berth"), args...)
	cmd.Env, cmd.Dir = s.Env, s.Dir
	// A command that hangs says where before it dies.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGQUIT) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// Result is how a command ended.
type Result struct {
	Args           []string
	Code           int
	Stdout, Stderr string
}

func (r Result) String() string {
	return fmt.Sprintf("berth %s: exit code %d\nstdout: %s\nstderr: %s", strings.Join(r.Args, " "), r.Code, abridged(r.Stdout), abridged(r.Stderr))
}

func abridged(s string) string {
	if len(s) > 4000 {
		return s[:2000] + "\n…\n" + s[len(s)-2000:]
	}
	return s
}

// Berth runs a command without standard input and waits for its end.
func (s *Sandbox) Berth(args ...string) Result {
	s.t.Helper()
	return s.BerthIn("", args...)
}

// BerthIn runs a command that reads stdin.
func (s *Sandbox) BerthIn(stdin string, args ...string) Result {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	cmd := s.Command(ctx, args...)
	if stdin != "" {
		cmd.Stdin = strings.NewReader(stdin)
	}
	return s.Finish(ctx, cmd)
}

// Finish runs a command to its end with its output captured.
func (s *Sandbox) Finish(ctx context.Context, cmd *exec.Cmd) Result {
	s.t.Helper()
	var out, errs bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &out
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &errs
	}
	err := cmd.Run()
	r := Result{Args: cmd.Args[1:], Code: -1, Stdout: out.String(), Stderr: errs.String()}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		s.t.Fatalf("did not end in %v: %s", Patience, r)
	case err == nil:
		r.Code = 0
	case errors.As(err, &exit):
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			r.Code = 128 + int(ws.Signal())
		} else {
			r.Code = exit.ExitCode()
		}
	default:
		s.t.Fatalf("%v: %s", err, r)
	}
	return r
}

// OK runs a command that must succeed and returns its output without the last newline.
func (s *Sandbox) OK(args ...string) string {
	s.t.Helper()
	r := s.Berth(args...)
	if r.Code != 0 {
		s.t.Fatalf("expected success, got %s", r)
	}
	return strings.TrimSuffix(r.Stdout, "\n")
}

// Fails runs a command that must end with this exit code, naming all of these on standard error.
func (s *Sandbox) Fails(code int, mentions []string, args ...string) Result {
	s.t.Helper()
	r := s.Berth(args...)
	r.Expect(s.t, code, mentions...)
	return r
}

// Expect reports an exit code other than this one, or a standard error that does not mention all of these.
func (r Result) Expect(t testing.TB, code int, mentions ...string) {
	t.Helper()
	if r.Code != code {
		t.Errorf("expected exit code %d, got %s", code, r)
	}
	for _, m := range mentions {
		if !strings.Contains(r.Stderr, m) {
			t.Errorf("expected standard error to mention %q, got %s", m, r)
		}
	}
}

// Eventually waits until the condition holds, and fails the test if it does not.
func (s *Sandbox) Eventually(what string, condition func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if condition() {
			return
		}
	}
	s.t.Fatalf("expected %s within 30 s", what)
}

// Equal reports values that differ.
func Equal[T comparable](t testing.TB, what string, got, expected T) {
	t.Helper()
	if got != expected {
		t.Errorf("%s: expected %v, got %v", what, expected, got)
	}
}

// Sockets is how many sockets the monitor of a container has open: one more for each client that attaches.
func (s *Sandbox) Sockets(name string) int {
	s.t.Helper()
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", s.Monitor(name)))
	if err != nil {
		s.t.Fatal(err)
	}
	n := 0
	for _, l := range links {
		if target, err := os.Readlink(l); err == nil && strings.HasPrefix(target, "socket:") {
			n++
		}
	}
	return n
}

// Monitor is the process of a running container's monitor.
func (s *Sandbox) Monitor(name string) int {
	s.t.Helper()
	var pid int
	if _, err := fmt.Sscan(s.OK("inspect", "--type", "container", "--format", "{{.State.ConmonPid}}", name), &pid); err != nil {
		s.t.Fatal(err)
	}
	return pid
}

// Atoi is a number in a command's output.
func Atoi(t testing.TB, text string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		t.Fatalf("expected a number, got %q", text)
	}
	return n
}

// Processes are the PIDs of all processes that this sandbox's engine has now, by the name of their program.
func (s *Sandbox) Processes() map[string][]int {
	s.t.Helper()
	found := map[string][]int{}
	for _, l := range s.LeftNow() {
		if l.Kind != leak.Process {
			continue
		}
		pid := Atoi(s.t, l.Name)
		exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
		if err != nil {
			continue // it has just ended
		}
		name := filepath.Base(exe)
		found[name] = append(found[name], pid)
	}
	return found
}
