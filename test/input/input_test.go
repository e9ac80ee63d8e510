// Package input tests bad input: each has a clear error that names the thing, the exit code 125, and leaves nothing.
package input

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/berth-engine/berth/test/sandbox"
)

func TestMain(m *testing.M) { sandbox.Main(m) }

func TestBadCommandLines(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("create", "--name", "taken", bb)
	for _, tc := range []struct {
		args     string
		mentions string
	}{
		{"run --rm localhost/nothing true", "localhost/nothing"},
		{"run --rm --pull never nothing true", "nothing"},
		{"run --rm UPPER/Case true", "UPPER/Case"},
		{"run --rm 127.0.0.1:1/tool:1 true", "127.0.0.1:1"},
		{"create --name taken BB", "taken"},
		{"create --name -bad BB", "-bad"},
		{"create --name a/b BB", "a/b"},
		{"run", "IMAGE"},
		{"run --rm -m 1x BB", "1x"},
		{"run --rm -m 64m --memory-swap 32m BB", "memory and swap"},
		{"run --rm --cpus nonsense BB", "nonsense"},
		{"run --rm --cpus 1 --cpu-quota 1000 BB", "cpu-quota"},
		{"run --rm --cpuset-cpus 999 BB true", "cpuset"},
		{"run --rm -d -a stdout BB", "attach"},
		{"run --rm --rm=false --restart always -d --name x --rm BB", "restart"},
		{"run --rm --network bridge-that-is-not BB true", "bridge-that-is-not"},
		{"run --rm --network host --hostname a --uts host BB true", "uts"},
		{"run --rm -v relative:: BB true", "relative"},
		{"run --rm -v /tmp:not-absolute BB true", "not-absolute"},
		{"run --rm -v /tmp:/ BB true", "/"},
		{"run --rm --mount type=nonsense,dst=/x BB true", "nonsense"},
		{"run --rm --mount type=bind,dst=/x BB true", "source"},
		{"run --rm --mount type=bind,src=/no/such/dir,dst=/x BB true", "/no/such/dir"},
		{"run --rm -v /no/such/dir:/x BB true", "/no/such/dir"},
		{"run --rm --tmpfs relative BB true", "relative"},
		{"run --rm -e =x BB true", "=x"},
		{"run --rm --env-file /no/such/file BB true", "/no/such/file"},
		{"run --rm -w relative BB true", "relative"},
		{"run --rm --ulimit nonsense=1 BB true", "nonsense"},
		{"run --rm --ulimit nofile=10:5 BB true", "nofile"},
		{"run --rm --sysctl nonsense BB true", "nonsense"},
		{"run --rm --stop-signal NONSENSE BB true", "NONSENSE"},
		{"run --rm --restart sometimes BB true", "sometimes"},
		{"run --rm --log-driver nonsense BB true", "nonsense"},
		{"run --rm --log-opt max-size=x BB true", "max-size"},
		{"run --rm --pull never --platform linux/nonsense BB true", "nonsense"},
		{"run --rm --pull nonsense BB true", "nonsense"},
		{"run --rm --security-opt nonsense BB true", "nonsense"},
		{"run --rm --device relative BB true", "relative"},
		{"run --rm --detach-keys nonsense- BB true", "nonsense"},
		{"run --rm --userns nonsense BB true", "nonsense"},
		{"run --rm --timezone No/Where BB true", "No/Where"},
		{"run --rm --umask 9 BB true", "9"},
		{"run --rm --shm-size -1 BB true", "shm-size"},
		{"run --rm --rootfs /no/such/root true", "/no/such/root"},
		{"run --rm --cgroup-parent ../.. BB true", ".."},
		{"run --rm --add-host nonsense BB true", "nonsense"},
		{"run --rm --dns nonsense BB true", "nonsense"},
		{"run --rm --runtime-that-is-not BB", "runtime-that-is-not"},
		{"--runtime no-such-runtime run --rm BB true", "no-such-runtime"},
		{"start nobody", "nobody"},
		{"stop nobody", "nobody"},
		{"kill nobody", "nobody"},
		{"kill -s NONSENSE taken", "NONSENSE"},
		{"restart nobody", "nobody"},
		{"pause taken", "taken"},
		{"unpause taken", "taken"},
		{"attach taken", "taken"},
		{"exec taken true", "taken"},
		{"exec nobody true", "nobody"},
		{"exec", "CONTAINER"},
		{"top nobody", "nobody"},
		{"logs nobody", "nobody"},
		{"logs --since nonsense taken", "nonsense"},
		{"wait nobody", "nobody"},
		{"wait --condition nonsense taken", "nonsense"},
		{"port nobody", "nobody"},
		{"init nobody", "nobody"},
		{"inspect nobody", "nobody"},
		{"inspect --format {{.Nonsense}} taken", "Nonsense"},
		{"inspect --format {{ taken", "--format"},
		{"rename nobody somebody", "nobody"},
		{"rename taken a/b", "a/b"},
		{"ps --filter nonsense=1", "nonsense"},
		{"ps --filter status=nonsense", "nonsense"},
		{"events --filter nonsense=1 --stream=false", "nonsense"},
		{"rmi nothing", "nothing"},
		{"tag nothing other", "nothing"},
		{"tag BB In:Valid:x", "In:Valid:x"},
		{"save nothing", "nothing"},
		{"load -i /no/such/file", "/no/such/file"},
		{"import /no/such/file x", "/no/such/file"},
		{"image inspect nothing", "nothing"},
		{"pull 127.0.0.1:1/tool", "127.0.0.1:1"},
		{"--no-such-flag", "no-such-flag"},
	} {
		args := strings.Fields(strings.ReplaceAll(tc.args, "BB", bb))
		r := s.Berth(args...)
		ok := r.Code == 125 || r.Code == 1 && args[0] == "rmi"
		if !ok || !strings.Contains(r.Stderr, tc.mentions) || strings.Contains(r.Stderr, "goroutine") {
			t.Errorf("expected exit code 125 and a mention of %q, got %s", tc.mentions, r)
		}
		sandbox.Equal(t, tc.args+": containers", s.OK("ps", "-a", "--format", "{{.Names}}"), "taken")
	}
	s.OK("rm", "taken")
	s.NoLeaks()
}

func TestWithoutACommandTheErrorSaysSo(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	image := sandbox.BusyboxImage("localhost/empty:1")
	image.Config.Cmd = nil
	s.Load(image)
	s.Fails(125, []string{"command"}, "run", "--rm", image.Name)
	sandbox.Equal(t, "containers", s.OK("ps", "-aq"), "")
}

func TestAnImageForAnotherMachine(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	image := sandbox.BusyboxImage("localhost/foreign:1")
	image.Arch = "s390x"
	archive := s.SaveArchive(image)
	r := s.Berth("load", "-q", "-i", archive)
	if r.Code == 0 {
		// Having it is no fault; running it without asking for its platform is one that must be told.
		r = s.Berth("run", "--rm", "--pull", "never", image.Name, "true")
	}
	if !strings.Contains(r.Stderr, "s390x") {
		t.Errorf("expected the architecture s390x to be told, got %s", r)
	}
}

func TestDamagedArchives(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	whole, err := sandbox.BusyboxImage(sandbox.Busybox).Archive()
	if err != nil {
		t.Fatal(err)
	}
	spoilt := append([]byte(nil), whole...)
	spoilt[len(spoilt)/3] ^= 0xff
	for name, data := range map[string]string{
		"truncated.tar": string(whole[:len(whole)/2]),
		"header.tar":    string(whole[:700]),
		"empty.tar":     "",
		"noise.tar":     strings.Repeat("noise", 5000),
		"spoilt.tar":    string(spoilt),
	} {
		path := s.Write(name, data)
		s.Fails(125, []string{name}, "load", "-q", "-i", path)
		sandbox.Equal(t, name+": images", s.OK("images", "-q"), "")
		s.NoLeaks()
	}
	s.Fails(125, []string{"truncated.tar"}, "import", "-q", filepath.Join(s.Dir, "truncated.tar"), "localhost/x:1")
	sandbox.Equal(t, "images after import", s.OK("images", "-q"), "")
	s.NoLeaks()
}

func TestALayerThatClimbsOutIsKeptIn(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	outside := filepath.Join(s.Dir, "outside")
	if err := os.Mkdir(outside, 0o755); err != nil {
		t.Fatal(err)
	}
	for i, entries := range [][]sandbox.Entry{
		{sandbox.File("../../../../../../../../../../.."+outside+"/a", 0o644, "x")},
		{sandbox.Link("way", outside), sandbox.File("way/b", 0o644, "x")},
		{sandbox.Link("up", "../../../../../../../../../../.."+outside), sandbox.File("up/c", 0o644, "x")},
	} {
		name := fmt.Sprintf("localhost/climb%d:1", i)
		s.Berth("load", "-q", "-i", s.SaveArchive(sandbox.BusyboxImage(name, entries)))
	}
	if found, err := os.ReadDir(outside); err != nil || len(found) != 0 {
		t.Errorf("expected nothing written outside, got %v (%v)", found, err)
	}
}

func TestAFullDiskWhileUnpackingLeavesNothing(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	if err := os.MkdirAll(s.Root, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", s.Root, "tmpfs", 0, "size=6m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(s.Root, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	big := sandbox.BusyboxImage("localhost/big:1", []sandbox.Entry{sandbox.File("big", 0o644, strings.Repeat("0123456789abcdef", 1<<19))})
	r := s.Fails(125, []string{"no space left"}, "load", "-q", "-i", s.SaveArchive(big))
	if r.Code == 0 {
		return
	}
	sandbox.Equal(t, "images after the failure", s.OK("images", "-q"), "")
	s.LoadBusybox() // there is room again for a small one
	sandbox.Equal(t, "a run after the failure", s.OK("run", "--rm", sandbox.Busybox, "echo", "x"), "x")
}

func TestWithoutRootTheErrorSaysSo(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	cmd := s.Command(t.Context(), "run", "--rm", "hello")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	cmd.Dir = "/"
	// The sandbox lies in a directory that only root may enter, as programs built by root may.
	berth, err := os.ReadFile(s.Program("berth"))
	if err != nil {
		t.Fatal(err)
	}
	copied, err := os.MkdirTemp("", "berth")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(copied)
	if err := os.Chmod(copied, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd.Path = filepath.Join(copied, "berth")
	if err := os.WriteFile(cmd.Path, berth, 0o755); err != nil {
		t.Fatal(err)
	}
	s.Finish(t.Context(), cmd).Expect(t, 125, "root")
}

// spoil makes a database, lets change it, and returns what the next command says.
func spoil(t *testing.T, s *sandbox.Sandbox, change func(path string)) sandbox.Result {
	t.Helper()
	s.OK("ps")
	path := filepath.Join(s.Root, "berth.db")
	change(path)
	return s.Berth("ps", "-a")
}

func TestADatabaseOfANewerBerthIsRefusedAndLeftAlone(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	r := spoil(t, s, func(path string) {
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.Exec("PRAGMA user_version = 9999"); err != nil {
			t.Fatal(err)
		}
	})
	r.Expect(t, 125, "newer", "berth.db")
	resetDatabase(t, s)
}

func TestADamagedDatabaseIsSaidSoWithTheWayOut(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		change func(path string) error
	}{
		{"noise", func(path string) error { return os.WriteFile(path, []byte(strings.Repeat("noise", 10000)), 0o600) }},
		{"a page overwritten", func(path string) error {
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			info, err := f.Stat()
			if err != nil {
				return err
			}
			for at := int64(4096); at < info.Size(); at += 4096 {
				if _, err := f.WriteAt([]byte(strings.Repeat("\xff", 4096)), at); err != nil {
					return err
				}
			}
			return nil
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := sandbox.New(t)
			r := spoil(t, s, func(path string) {
				// What is still in the write-ahead log would heal it.
				os.Remove(path + "-wal")
				os.Remove(path + "-shm")
				if err := tc.change(path); err != nil {
					t.Fatal(err)
				}
			})
			r.Expect(t, 125, "berth.db", "damaged")
			resetDatabase(t, s)
		})
	}
}

// resetDatabase removes the database, so that the sandbox can be ended.
func resetDatabase(t *testing.T, s *sandbox.Sandbox) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.Root, "berth.db*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWithoutTheOCIRuntimeWhatNeedsNoneStillWorks(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("create", "--name", "c", bb, "true")
	missing := []string{"--runtime", "/no/such/runtime"}
	for _, verb := range [][]string{{"ps", "-a"}, {"images"}, {"info"}, {"version"}} {
		s.OK(append(missing, verb...)...)
	}
	s.Fails(125, []string{"/no/such/runtime"}, append(missing, "run", "--rm", bb, "true")...)
	s.OK(append(missing, "inspect", "c")...)
	s.OK(append(missing, "rm", "c")...)
}
