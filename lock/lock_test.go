package lock_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/lock"
)

const id = "4b53e0a1c0ffee11000000000000000000000000000000000000000000000000"

// The test binary runs itself as another process, which takes the lock of id in the directory and keeps it.
const holderVariable = "BERTH_LOCK_TEST_HOLDER"

func TestMain(m *testing.M) {
	dir := os.Getenv(holderVariable)
	if dir == "" {
		os.Exit(m.Run())
	}
	if _, err := lock.Open(dir).Lock(context.Background(), id); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("locked")
	time.Sleep(time.Hour) // select {} would be a deadlock to the Go runtime
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("expected no error, got: %v", err)
	}
}

// take locks, which must succeed.
func take(t *testing.T, l *lock.Table, id string) func() {
	t.Helper()
	unlock, err := l.Lock(t.Context(), id)
	must(t, err)
	return unlock
}

// free reports whether the lock can be had, by trying.
func free(t *testing.T, l *lock.Table, id string) bool {
	t.Helper()
	unlock, ok, err := l.TryLock(id)
	must(t, err)
	if ok {
		unlock()
	}
	return ok
}

func TestALockExcludesOthersUntilItIsUnlocked(t *testing.T) {
	dir := t.TempDir()
	a, b := lock.Open(dir), lock.Open(dir)
	unlock := take(t, a, id)
	for _, l := range []*lock.Table{a, b} {
		if free(t, l, id) {
			t.Error("expected the lock to be held, also against those of the same process")
		}
	}
	unlock()
	unlock() // once is enough, twice does no harm
	if !free(t, b, id) {
		t.Error("expected the lock to be free after it was unlocked")
	}
}

func TestALockBelongsToOneObject(t *testing.T) {
	l := lock.Open(t.TempDir())
	defer take(t, l, id)()
	for _, other := range []string{"5" + id[1:], id[:14] + "ff" + id[16:], lock.Name(id), lock.Name("volume:data")} {
		if !free(t, l, other) {
			t.Errorf("expected %s to be free while %s is locked", other, id)
		}
	}
	if free(t, l, id[:16]) {
		t.Error("expected the first sixteen digits to be enough")
	}
	defer take(t, l, lock.Name("volume:data"))()
	if free(t, l, lock.Name("volume:data")) || !free(t, l, lock.Name("volume:data2")) {
		t.Error("expected a name to exclude itself and no other")
	}
}

func TestSharedLocksExcludeExclusiveOnesOnly(t *testing.T) {
	l := lock.Open(t.TempDir())
	one, err := l.RLock(t.Context(), id)
	must(t, err)
	two, err := l.RLock(t.Context(), id)
	must(t, err)
	one()
	if free(t, l, id) {
		t.Error("expected the lock to be held while one still shares it")
	}
	two()
	if !free(t, l, id) {
		t.Error("expected the lock to be free")
	}
}

func TestWhatIsNoIDIsRefused(t *testing.T) {
	l := lock.Open(t.TempDir())
	for _, bad := range []string{"", "web", id[:15], strings.ToUpper("zz") + id, "-" + id, "+" + id, "0x" + id, "name" + id} {
		_, err := l.Lock(t.Context(), bad)
		if !errors.Is(err, errdefs.ErrInvalidArgument) {
			t.Errorf("Lock(%q): expected an invalid argument, got: %v", bad, err)
		}
		if _, _, err := l.TryLock(bad); !errors.Is(err, errdefs.ErrInvalidArgument) {
			t.Errorf("TryLock(%q): expected an invalid argument, got: %v", bad, err)
		}
	}
}

func TestManyWaitersAreServedOneByOne(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	// Atomic, for the race detector does not see that the kernel keeps them apart.
	var inside, turns atomic.Int64
	for range 16 {
		l := lock.Open(dir)
		wg.Go(func() {
			for range 20 {
				unlock, err := l.Lock(t.Context(), id)
				if err != nil {
					t.Errorf("Lock: %v", err)
					return
				}
				if n := inside.Add(1); n != 1 {
					t.Errorf("%d have the lock at once", n)
				}
				turns.Add(1)
				inside.Add(-1)
				unlock()
			}
		})
	}
	wg.Wait()
	if got := turns.Load(); got != 16*20 {
		t.Errorf("expected %d turns, got %d", 16*20, got)
	}
}

func TestACancelEndsAWaitAndLeavesNothingLocked(t *testing.T) {
	l := lock.Open(t.TempDir())
	unlock := take(t, l, id)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	for range 2 { // while waiting, and before
		if _, err := l.Lock(ctx, id); !errors.Is(err, context.Canceled) {
			t.Fatalf("expected context.Canceled, got: %v", err)
		}
	}
	unlock()
	take(t, l, id)()
}

func TestTheLockOfAKilledProcessIsFree(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), holderVariable+"="+dir)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	buf := make([]byte, 100)
	n, err := out.Read(buf)
	if got := string(buf[:n]); got != "locked\n" {
		t.Fatalf("the other process: %q, %v", got, err)
	}
	l := lock.Open(dir)
	if free(t, l, id) {
		t.Fatal("expected the lock to be held by the other process")
	}
	got := make(chan error)
	go func() {
		unlock, err := l.Lock(context.Background(), id)
		if err == nil {
			unlock()
		}
		got <- err
	}()
	cmd.Process.Kill()
	select {
	case err := <-got:
		must(t, err)
	case <-time.After(20 * time.Second):
		t.Fatal("expected to get the lock when its holder had been killed")
	}
}

func TestTheFileIsMadeWhenItIsNeededAndForItsOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run", "berth")
	l := lock.Open(dir)
	if _, err := os.Stat(dir); err == nil {
		t.Error("expected nothing to be made by Open")
	}
	take(t, l, id)()
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "locks"): 0o600} {
		fi, err := os.Stat(path)
		must(t, err)
		if got := fi.Mode().Perm(); got != want {
			t.Errorf("%s: expected mode %v, got %v", path, want, got)
		}
	}
}

func TestALockIsNotInheritedByAChild(t *testing.T) {
	l := lock.Open(t.TempDir())
	unlock := take(t, l, id)
	cmd := exec.Command("sleep", "60")
	must(t, cmd.Start())
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	unlock()
	if !free(t, l, id) {
		t.Error("expected the lock to be free though a child that was started under it lives")
	}
}

func BenchmarkUncontended(b *testing.B) {
	l := lock.Open(b.TempDir())
	for b.Loop() {
		unlock, err := l.Lock(b.Context(), id)
		if err != nil {
			b.Fatal(err)
		}
		unlock()
	}
}
