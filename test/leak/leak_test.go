package leak_test

import (
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/test/leak"
)

const id = "5eb63bbbe01eeed093cb22bb8f5acdc3ffffffffffffffffffffffffffffffff"

func newScope(t *testing.T) leak.Scope {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test makes mounts and control groups: it must run as root")
	}
	top, err := os.MkdirTemp("", "berth-leak")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(top) })
	s := leak.Scope{Root: filepath.Join(top, "root"), RunRoot: filepath.Join(top, "run"), Temp: filepath.Join(top, "tmp"), IDs: []string{id}}
	for _, d := range []string{s.Root, s.RunRoot, s.Temp} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// start runs a program until the end of the test.
func start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
}

func commandLine(t *testing.T, pid int) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestEachKindOfLeakIsSeen(t *testing.T) {
	for _, tc := range []struct {
		name  string
		kind  leak.Kind
		plant func(t *testing.T, s leak.Scope) (name string)
	}{
		{"a monitor, by its command line", leak.Process, func(t *testing.T, s leak.Scope) string {
			cmd := exec.Command("sh", "-c", "sleep 1000; true", s.RunRoot+"/containers/"+id)
			cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			start(t, cmd)
			t.Cleanup(func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
			return ""
		}},
		{"a client, by its environment", leak.Process, func(t *testing.T, s leak.Scope) string {
			cmd := exec.Command("sleep", "1000")
			cmd.Env = []string{"BERTH_ROOT=" + s.Root}
			start(t, cmd)
			return ""
		}},
		{"a process, by its working directory", leak.Process, func(t *testing.T, s leak.Scope) string {
			cmd := exec.Command("sleep", "1000")
			cmd.Dir, cmd.Env = s.RunRoot, []string{}
			start(t, cmd)
			return ""
		}},
		{"a process, by an open file", leak.Process, func(t *testing.T, s leak.Scope) string {
			write(t, s.RunRoot+"/lock")
			f, err := os.Open(s.RunRoot + "/lock")
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			cmd := exec.Command("sleep", "1000")
			cmd.Env, cmd.ExtraFiles = []string{}, []*os.File{f}
			start(t, cmd)
			return ""
		}},
		{"a container's process, by its root mount", leak.Process, func(t *testing.T, s leak.Scope) string {
			root := s.Root + "/merged"
			for _, d := range []string{root, s.Root + "/lower/old", s.Root + "/upper", s.Root + "/work"} {
				if err := os.MkdirAll(d, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			for _, f := range []string{"sleep"} {
				copyStatic(t, s.Root+"/lower/"+f)
			}
			script := `mount -t overlay overlay -o lowerdir=$0/lower,upperdir=$0/upper,workdir=$0/work $0/merged
cd $0/merged && pivot_root . old && exec /sleep 1000`
			cmd := exec.Command("unshare", "-m", "--propagation", "private", "sh", "-c", script, s.Root)
			cmd.Stderr = os.Stderr
			cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
			start(t, cmd)
			// Only once it has become the program in the container does its command line not give it away.
			for i := 0; commandLine(t, cmd.Process.Pid) != "/sleep\x001000\x00"; i++ {
				if i == 1000 {
					t.Fatal("the program in the container did not start")
				}
				time.Sleep(5 * time.Millisecond)
			}
			return ""
		}},
		{"a mount", leak.Mount, func(t *testing.T, s leak.Scope) string {
			at := s.Root + "/merged"
			mount(t, "tmpfs", at, "tmpfs")
			return at
		}},
		{"a network namespace", leak.Namespace, func(t *testing.T, s leak.Scope) string {
			at := s.RunRoot + "/netns"
			write(t, at)
			if out, err := exec.Command("unshare", "--net="+at, "true").CombinedOutput(); err != nil {
				t.Fatalf("unshare: %v: %s", err, out)
			}
			t.Cleanup(func() { unix.Unmount(at, unix.MNT_DETACH) })
			return at
		}},
		{"a control group", leak.Cgroup, func(t *testing.T, s leak.Scope) string {
			at := filepath.Join(hierarchy(t), "berth-leak-test", id)
			if err := os.MkdirAll(at, 0o755); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.Remove(at); os.Remove(filepath.Dir(at)) })
			return at
		}},
		{"a control group of a container that only the store's events know", leak.Cgroup, func(t *testing.T, s leak.Scope) string {
			other := strings.Repeat("ab", 32)
			database(t, s, `CREATE TABLE event (seq INTEGER, data TEXT)`, `INSERT INTO event VALUES (1, '{"id":"`+other+`"}')`)
			at := filepath.Join(hierarchy(t), "berth-leak-test2", other)
			if err := os.MkdirAll(at, 0o755); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.Remove(at); os.Remove(filepath.Dir(at)) })
			return at
		}},
		{"a file of a run", leak.File, func(t *testing.T, s leak.Scope) string {
			write(t, s.RunRoot+"/containers/"+id+"/exit")
			return s.RunRoot + "/containers/" + id
		}},
		{"a container's directory", leak.File, func(t *testing.T, s leak.Scope) string {
			write(t, s.Root+"/containers/"+id+"/upper/file")
			return s.Root + "/containers/" + id
		}},
		{"a row", leak.Row, func(t *testing.T, s leak.Scope) string {
			database(t, s, `CREATE TABLE containers (id TEXT, config TEXT)`, `INSERT INTO containers VALUES ('`+id+`', '{}')`)
			return "containers " + id
		}},
		{"a row of a bbolt file", leak.Row, func(t *testing.T, s leak.Scope) string {
			db, err := bbolt.Open(s.Root+"/berth.db", 0o600, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			err = db.Update(func(tx *bbolt.Tx) error {
				b, err := tx.CreateBucket([]byte("containers"))
				if err != nil {
					return err
				}
				return b.Put([]byte(id), []byte("{}"))
			})
			if err != nil {
				t.Fatal(err)
			}
			return "containers \"" + id + "\""
		}},
		{"a lock", leak.Lock, func(t *testing.T, s leak.Scope) string {
			write(t, s.RunRoot+"/lock")
			f, err := os.OpenFile(s.RunRoot+"/lock", os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.Close() })
			lk := unix.Flock_t{Type: unix.F_WRLCK, Start: 7, Len: 1}
			if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lk); err != nil {
				t.Fatal(err)
			}
			return s.RunRoot + "/lock 7–7"
		}},
		{"a temporary file", leak.Temp, func(t *testing.T, s leak.Scope) string {
			write(t, s.Temp+"/blob123")
			return s.Temp + "/blob123"
		}},
		{"a temporary file of the image store", leak.Temp, func(t *testing.T, s leak.Scope) string {
			write(t, s.Root+"/storage/overlay/staging/1/x")
			return s.Root + "/storage/overlay/staging/1"
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScope(t)
			before, err := leak.Take(s)
			if err != nil {
				t.Fatal(err)
			}
			if len(before) != 0 {
				t.Fatalf("before anything was planted: expected nothing, got\n%s", leak.List(before.Since(nil)))
			}
			name := tc.plant(t, s)
			var seen []leak.Leak
			for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
				now, err := leak.Take(s)
				if err != nil {
					t.Fatal(err)
				}
				seen = now.Since(before)
				for _, l := range seen {
					if l.Kind == tc.kind && (name == "" || l.Name == name) {
						return
					}
				}
			}
			t.Errorf("expected a leak: %s %s\ngot\n%s", tc.kind, name, leak.List(seen))
		})
	}
}

func TestWhatIsKeptOnPurposeIsNoLeak(t *testing.T) {
	s := newScope(t)
	for _, path := range []string{s.RunRoot + "/lock", s.Root + "/storage/overlay/" + id + "/diff/tmp/x", s.Root + "/storage/overlay-images/images.json"} {
		write(t, path)
	}
	database(t, s, `CREATE TABLE event (seq INTEGER)`, `INSERT INTO event VALUES (1)`)
	// Another engine's things beside ours, in a directory whose name begins as ours does.
	write(t, s.RunRoot+"2/containers/"+id+"/exit")
	cmd := exec.Command("sleep", "1000")
	cmd.Dir, cmd.Env = s.RunRoot+"2", []string{}
	start(t, cmd)

	found, err := leak.Take(s)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 0 {
		t.Errorf("expected nothing, got\n%s", leak.List(found.Since(nil)))
	}
}

func TestAProcessThatEndsSoonIsWaitedFor(t *testing.T) {
	s := newScope(t)
	cmd := exec.Command("sleep", "0.3")
	cmd.Dir = s.RunRoot
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go cmd.Wait()
	leaks, err := leak.Settle(s, leak.Snapshot{}, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if len(leaks) != 0 {
		t.Errorf("expected nothing after the process has ended, got\n%s", leak.List(leaks))
	}
}

func mount(t *testing.T, source, at, fstype string) {
	t.Helper()
	if err := os.MkdirAll(at, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(source, at, fstype, 0, ""); err != nil {
		t.Fatalf("mount %s: %v", at, err)
	}
	t.Cleanup(func() { unix.Unmount(at, unix.MNT_DETACH) })
}

// hierarchy is a cgroup hierarchy in which a directory can be made.
func hierarchy(t *testing.T) string {
	t.Helper()
	for _, dir := range []string{"/sys/fs/cgroup/pids", "/sys/fs/cgroup"} {
		var st unix.Statfs_t
		if unix.Statfs(dir, &st) == nil && (st.Type == unix.CGROUP_SUPER_MAGIC || st.Type == unix.CGROUP2_SUPER_MAGIC) {
			return dir
		}
	}
	t.Fatal("no cgroup hierarchy is mounted under /sys/fs/cgroup")
	return ""
}

func database(t *testing.T, s leak.Scope, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", s.Root+"/berth.db")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, st := range statements {
		if _, err := db.Exec(st); err != nil {
			t.Fatalf("%s: %v", st, err)
		}
	}
}

// copyStatic puts a static program there that sleeps: busybox does what its name says.
func copyStatic(t *testing.T, to string) {
	t.Helper()
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal("needs Debian's package busybox-static: ", err)
	}
	data, err := os.ReadFile(busybox)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o755); err != nil {
		t.Fatal(err)
	}
}
