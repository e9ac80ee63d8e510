package monitored

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/host"
	"github.com/berth-engine/berth/ociruntime"
)

// programs makes a directory of empty executables.
func programs(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, n := range names {
		if err := os.WriteFile(filepath.Join(dir, n), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestSelectTakesWhatFitsTheHost(t *testing.T) {
	hybrid := host.Facts{Cgroups: host.Cgroups{Mode: host.Hybrid, V2Controllers: []string{"pids"}}}
	unified := host.Facts{Cgroups: host.Cgroups{Mode: host.Unified}}
	dir := programs(t, "crun", "runc", "other")
	t.Setenv("PATH", dir)
	for _, c := range []struct {
		name       string
		facts      host.Facts
		configured []string
		want       string
	}{
		{"crun first", unified, nil, "crun"},
		{"a hybrid host with controllers on v2 is not for crun", hybrid, nil, "runc"},
		{"a hybrid host without is", host.Facts{Cgroups: host.Cgroups{Mode: host.Hybrid}}, nil, "crun"},
		{"what is asked for is taken", hybrid, []string{"crun"}, "crun"},
		{"the first that is there", unified, []string{"/no/such/program", "other", "crun"}, "other"},
		{"a path", unified, []string{filepath.Join(dir, "runc")}, "runc"},
	} {
		got, err := Select(c.facts, c.configured)
		if err != nil || got != filepath.Join(dir, c.want) {
			t.Errorf("%s: got %q, %v; expected %s", c.name, got, err, c.want)
		}
	}
}

func TestSelectSaysWhatIsMissing(t *testing.T) {
	t.Setenv("PATH", programs(t))
	_, err := Select(host.Facts{}, []string{"no-such-runtime"})
	if !errors.Is(err, ociruntime.ErrMissing) || errdefs.Class(err) != errdefs.ErrUnavailable || !strings.Contains(err.Error(), "no-such-runtime") {
		t.Errorf("error %v; expected ErrMissing that names the runtime", err)
	}
}

func TestSelectIgnoresWhatCannotBeRun(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "odd-runtime"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	if got, err := Select(host.Facts{}, []string{"odd-runtime"}); err == nil {
		t.Errorf("a directory was taken: %s", got)
	}
}

func TestReadOnlyImageIsMadeOnceAndFollowsTheFile(t *testing.T) {
	root := t.TempDir()
	t.Cleanup(func() { _ = Unmount(root) })
	program := filepath.Join(t.TempDir(), "crun")
	install := func() { // as a package manager does
		t.Helper()
		if err := os.WriteFile(program+".new", []byte("program"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(program+".new", program); err != nil {
			t.Fatal(err)
		}
	}
	install()
	image := readOnlyImage(root, "crun", program)
	if image == program || readOnlyImage(root, "crun", program) != image {
		t.Fatalf("got %s and then %s; expected one image", image, readOnlyImage(root, "crun", program))
	}
	if n := mountsOn(t, image); n != 1 {
		t.Errorf("%d mounts; expected one", n)
	}
	if f, err := os.OpenFile(image, os.O_WRONLY, 0); err == nil {
		f.Close()
		t.Error("the image can be written to")
	}
	install()
	next := readOnlyImage(root, "crun", program)
	if next == image || next == program {
		t.Errorf("got %s for the new file; expected another image than %s", next, image)
	}
	if _, err := os.Stat(image); err != nil {
		t.Errorf("the image of the old file, which somebody may be starting: %v", err)
	}
	if err := Unmount(root); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(root, imageDirectory)); err == nil || mountsOn(t, image)+mountsOn(t, next) != 0 {
		t.Error("something is left after Unmount")
	}
	if err := Unmount(root); err != nil {
		t.Errorf("a second Unmount: %v", err)
	}
}

// Somebody who is killed between the mount and making it read-only leaves the program itself, writable, at the image's path.
func TestReadOnlyImageThatIsHalfMadeIsFinished(t *testing.T) {
	root := t.TempDir()
	t.Cleanup(func() { _ = Unmount(root) })
	program := filepath.Join(t.TempDir(), "crun")
	if err := os.WriteFile(program, []byte("program"), 0o755); err != nil {
		t.Fatal(err)
	}
	image := readOnlyImage(root, "crun", program)
	if err := unix.Mount("", image, "", unix.MS_BIND|unix.MS_REMOUNT, ""); err != nil {
		t.Fatal(err)
	}
	if got := readOnlyImage(root, "crun", program); got != image {
		t.Errorf("got %s, expected %s", got, image)
	}
	if text, err := os.ReadFile(program); string(text) != "program" {
		t.Fatalf("the program is now %q, %v", text, err)
	}
	if f, err := os.OpenFile(image, os.O_WRONLY, 0); err == nil {
		f.Close()
		t.Error("the image can be written to")
	}
}

func TestRuntimesOtherThanCrunAreRunFromWhereTheyAre(t *testing.T) {
	if got := readOnlyImage(t.TempDir(), "runc", "/usr/sbin/runc"); got != "/usr/sbin/runc" {
		t.Errorf("got %s", got)
	}
	if got := readOnlyImage("/proc/no-such-place", "crun", "/usr/bin/crun"); got != "/usr/bin/crun" {
		t.Errorf("where no mount can be made: got %s", got)
	}
}

func mountsOn(t *testing.T, target string) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(text), " "+target+" ")
}

// TestInvocationErrors has the messages of crun 1.8.1 and runc 1.1.5 as they came (runtimetest makes them anew), and of runc 1.2.
func TestInvocationErrors(t *testing.T) {
	for text, want := range map[string]error{
		"executable file `nosuch` not found in $PATH: No such file or directory":                                                                 ociruntime.ErrCommandNotFound,
		"executable file `/nosuch` not found in $PATH: No such file or directory":                                                                ociruntime.ErrCommandNotFound,
		"executable file `nosuch` not found: No such file or directory":                                                                          ociruntime.ErrCommandNotFound,
		"the path `/etc/passwd` exists but it is not executable: Operation not permitted":                                                        ociruntime.ErrCannotInvoke,
		"the path `/tmp` is not a regular file: Operation not permitted":                                                                         ociruntime.ErrCannotInvoke,
		"open executable: Permission denied":                                                                                                     ociruntime.ErrCannotInvoke,
		"open executable: Operation not permitted":                                                                                               ociruntime.ErrCannotInvoke,
		"exec container process `/bin/badfmt`: Exec format error":                                                                                ociruntime.ErrCannotInvoke,
		"chdir `/no/such/directory`: No such file or directory":                                                                                  ociruntime.ErrCannotInvoke,
		`runc create failed: unable to start container process: exec: "nosuch": executable file not found in $PATH`:                              ociruntime.ErrCommandNotFound,
		`runc create failed: unable to start container process: exec: "/nosuch": stat /nosuch: no such file or directory`:                        ociruntime.ErrCommandNotFound,
		`runc create failed: unable to start container process: exec: "/bin/noexec": permission denied`:                                          ociruntime.ErrCannotInvoke,
		`runc create failed: unable to start container process: exec: "/bin/dir": is a directory`:                                                ociruntime.ErrCannotInvoke,
		`exec failed: unable to start container process: chdir to cwd ("/no/such") set in config.json failed: no such file or directory`:         ociruntime.ErrCannotInvoke,
		"make `/no/such/rootfs` private: No such file or directory":                                                                              nil,
		`runc create failed: unable to start container process: error mounting "/x" to rootfs at "/y": stat /x: no such file or directory`:       nil,
		`runc create failed: invalid rootfs: stat /no/such/rootfs: no such file or directory`:                                                    nil,
		"mount `/nosuch` to `data`: No such file or directory":                                                                                   nil,
		`runc create failed: unable to start container process: unable to apply cgroup configuration: mkdir /sys/fs/cgroup/x: permission denied`: nil,
	} {
		if got := invocationError(text); got != want {
			t.Errorf("%s: got %v, expected %v", text, got, want)
		}
	}
}

func TestRuntimeErrorIsOneLineWithOneClass(t *testing.T) {
	r := New(Options{RuntimePath: "/usr/bin/crun"})
	out := []byte(`{"level":"warning","msg":"never mind"}` + "\n" + `{"msg":"executable file ` + "`x`" + ` not found in $PATH:\n No such file","level":"error"}` + "\n")
	err := r.commandFailed("create", "id", out, &exitError{})
	if err.Error() != "crun: executable file `x` not found in $PATH: No such file" {
		t.Errorf("got %q", err)
	}
	if !errors.Is(err, ociruntime.ErrCommandNotFound) || errdefs.Class(err) != errdefs.ErrInvalidArgument {
		t.Errorf("class %v of %v", errdefs.Class(err), err)
	}
}

func TestZoneTellsTheChangesToCome(t *testing.T) {
	if got := zoneFrom(time.Unix(0, 0).UTC()); got != "0" {
		t.Errorf("UTC: got %q", got)
	}
	if berlin, err := time.LoadLocation("Europe/Berlin"); err == nil {
		got := zoneFrom(time.Date(2026, 1, 1, 0, 0, 0, 0, berlin))
		if !strings.HasPrefix(got, "3600,1774746000:7200,1792890000:3600,") || strings.Count(got, ",") != zoneChanges {
			t.Errorf("Berlin: got %q", got)
		}
	}
}

func TestRunKillsTheProgramWhenTheContextEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := run(ctx, "/bin/sleep", []string{"1000"}, nil); !errors.Is(err, ctx.Err()) || err == nil {
		t.Errorf("error %v; expected the context's", err)
	}
}

func TestRunOfAProgramThatIsNotThereSaysSo(t *testing.T) {
	_, err := New(Options{RuntimePath: "/no/such/crun", RunRoot: t.TempDir()}).Info(t.Context())
	if !errors.Is(err, ociruntime.ErrMissing) {
		t.Errorf("error %v; expected ErrMissing", err)
	}
}

func TestAttachOfAMonitorThatRefusesOrIsSilent(t *testing.T) {
	run := t.TempDir()
	if _, err := New(Options{}).Attach(t.Context(), run, ociruntime.AttachOptions{}); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("no socket: error %v; expected not found", err)
	}
	fd := listen(t, run)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := New(Options{}).Attach(ctx, run, ociruntime.AttachOptions{Stdin: true}); !errors.Is(err, ctx.Err()) || err == nil {
		t.Errorf("a silent monitor: error %v; expected the context's", err)
	}
	syscall.Close(fd)
	if _, err := New(Options{}).Attach(t.Context(), run, ociruntime.AttachOptions{}); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("a dead socket: error %v; expected not found", err)
	}
}

func listen(t *testing.T, run string) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrUnix{Name: filepath.Join(run, "attach")})
	}
	if err == nil {
		err = unix.Listen(fd, 8)
	}
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// A connection's other end says anything; no message may be mistaken for another or cost more than itself.
func FuzzConnectionMessages(f *testing.F) {
	f.Add([]byte("Ohello"))
	f.Add([]byte("Xcode=1 signal=0 oom=0 time=1.000000000\n"))
	f.Add([]byte("D"))
	f.Fuzz(func(t *testing.T, message []byte) {
		if len(message) == 0 {
			return // the end
		}
		ours, theirs, err := socketPair()
		if err != nil {
			t.Fatal(err)
		}
		defer theirs.Close()
		c := &connection{socket: ours, buf: make([]byte, 32<<10+1)}
		defer c.Close()
		if _, err := theirs.Write(message[:min(len(message), 32<<10)]); err != nil {
			t.Fatal(err)
		}
		m, err := c.Next()
		if err == nil && (m.Stream == ociruntime.Exited) != (m.Exit != nil) {
			t.Errorf("%q was taken as %+v", message, m)
		}
		if m.Exit != nil {
			if _, err := c.Next(); err != io.EOF {
				t.Errorf("after the exit: %v, expected io.EOF", err)
			}
		}
	})
}

func FuzzParseExit(f *testing.F) {
	f.Add([]byte("code=137 signal=9 oom=1 time=1774746000.000000001\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if e, err := ParseExit(text); err != nil && errdefs.Class(err) != errdefs.ErrInternal {
			t.Errorf("class %v of %v", errdefs.Class(err), err)
		} else if err == nil && (e.Code < 0 || e.Code > 255) {
			t.Errorf("code %d", e.Code)
		}
	})
}

func TestAScheduleKeepsTheBeat(t *testing.T) {
	for _, c := range []struct{ now, last, period, want int64 }{
		{1000, 0, 30, 1030},    // the first
		{1000, 1020, 30, 1030}, // instead of one to come
		{1003, 1000, 30, 1030}, // a little late
		{1000, 1000, 30, 1030},
		{1095, 1000, 30, 1120}, // so late that some are left out
	} {
		if got := nextBeat(c.now, c.last, c.period); got != c.want {
			t.Errorf("nextBeat(%d, %d, %d): got %d, want %d", c.now, c.last, c.period, got, c.want)
		}
	}
}
