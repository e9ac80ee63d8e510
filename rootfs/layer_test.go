package rootfs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

// layers makes n lower directories, lowest first: each has a file of its own and the file "which" with its number.
func layers(t testing.TB, n int) []string {
	t.Helper()
	base := t.TempDir()
	var dirs []string
	for i := range n {
		// As long as the names that containers/storage gives.
		dir := filepath.Join(base, fmt.Sprintf("%064d", i), "diff")
		must(t, os.MkdirAll(dir, 0o755))
		must(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("layer%d", i)), nil, 0o644))
		must(t, os.WriteFile(filepath.Join(dir, "which"), fmt.Append(nil, i), 0o644))
		dirs = append(dirs, dir)
	}
	return dirs
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newLayer(t testing.TB) (Layer, string) {
	t.Helper()
	dir := t.TempDir()
	l := Layer{Dir: filepath.Join(dir, "layer")}
	must(t, l.Create())
	target := filepath.Join(dir, "merged")
	t.Cleanup(func() {
		if err := Unmount(target); err != nil {
			t.Error(err)
		}
	})
	return l, target
}

func readString(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	return string(data)
}

func TestLayerMountIsIdempotentAndRemovedWithoutTrace(t *testing.T) {
	ctx := t.Context()
	l, target := newLayer(t)
	must(t, l.Create())
	o := MountOptions{Lower: layers(t, 3), Target: target}
	for range 2 {
		must(t, l.Mount(ctx, o))
	}
	if got := mountsAt(t, target); got != 1 {
		t.Errorf("mounting twice: expected 1 mount, got %d", got)
	}
	if got := readString(t, target+"/which"); got != "2" {
		t.Errorf("expected the file of the highest layer, 2, got %s", got)
	}
	must(t, os.WriteFile(target+"/new", []byte("12345"), 0o644))
	if size, err := l.Size(ctx); err != nil || size != 5 {
		t.Errorf("expected size 5, got %d, %v", size, err)
	}
	for range 2 {
		must(t, Unmount(target))
	}
	for range 2 {
		must(t, l.Remove(ctx))
	}
	if _, err := os.Lstat(l.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("expected the layer's directory to be gone, got %v", err)
	}
}

func mountsAt(t testing.TB, target string) int {
	n := 0
	for line := range strings.Lines(readString(t, "/proc/self/mountinfo")) {
		if strings.Fields(line)[4] == target {
			n++
		}
	}
	return n
}

func TestOverlayMounts128LayersByEitherInterface(t *testing.T) {
	lower := layers(t, 128)
	for _, tc := range []struct {
		name string
		old  bool
	}{{"fsconfig", false}, {"mount(2)", true}} {
		t.Run(tc.name, func(t *testing.T) {
			l, target := newLayer(t)
			must(t, os.Mkdir(target, 0o755))
			o := l.overlay(MountOptions{Lower: lower})
			o.old = tc.old
			must(t, o.mount(target))
			entries, err := os.ReadDir(target)
			must(t, err)
			if len(entries) != 129 {
				t.Errorf("expected the files of 128 layers and one common one, got %d", len(entries))
			}
			if got := readString(t, target+"/which"); got != "127" {
				t.Errorf("expected the file of the highest layer, 127, got %s", got)
			}
			must(t, os.WriteFile(target+"/which", []byte("upper"), 0o644))
			if got := readString(t, l.upper()+"/which"); got != "upper" {
				t.Errorf("expected the write in upper, got %q", got)
			}
		})
	}
}

func TestLayerUsedVolatileCanBeMountedAgain(t *testing.T) {
	l, target := newLayer(t)
	o := MountOptions{Lower: layers(t, 1), Target: target, Volatile: true}
	for i := range 3 {
		o.Volatile = i < 2
		if err := l.Mount(t.Context(), o); err != nil {
			t.Fatalf("mount %d: %v", i, err)
		}
		must(t, Unmount(target))
	}
}

func TestLayerRootHasTheAttributesOfTheImagesRoot(t *testing.T) {
	l, target := newLayer(t)
	lower := layers(t, 2)
	must(t, os.Chown(lower[1], 12, 34))
	must(t, os.Chmod(lower[1], 0o1751))
	must(t, os.Chmod(lower[1], 0o751|os.ModeSticky))
	o := MountOptions{Lower: lower, Target: target}
	must(t, l.Mount(t.Context(), o))
	check := func(mode uint32, uid uint32) {
		t.Helper()
		var st unix.Stat_t
		must(t, unix.Stat(target, &st))
		if st.Mode&0o7777 != mode || st.Uid != uid || st.Gid != 34 {
			t.Errorf("expected mode %o, owner %d:34, got %o, %d:%d", mode, uid, st.Mode&0o7777, st.Uid, st.Gid)
		}
	}
	check(0o1751, 12)
	// What a container does to its root stays over a restart.
	must(t, os.Chmod(target, 0o700))
	must(t, os.Chown(target, 56, -1))
	must(t, Unmount(target))
	must(t, l.Mount(t.Context(), o))
	check(0o700, 56)
}

func TestLayerWithoutLowerIsAnEmptyRoot(t *testing.T) {
	l, target := newLayer(t)
	must(t, l.Mount(t.Context(), MountOptions{Target: target}))
	entries, err := os.ReadDir(target)
	if err != nil || len(entries) != 0 {
		t.Errorf("expected an empty directory, got %v, %v", entries, err)
	}
}

func TestMountErrorsAreClassedAndNameTheCause(t *testing.T) {
	l, target := newLayer(t)
	gone := filepath.Join(t.TempDir(), "gone")
	err := l.Mount(t.Context(), MountOptions{Lower: []string{gone}, Target: target})
	if !errors.Is(err, errdefs.ErrNotFound) || !strings.Contains(err.Error(), gone) {
		t.Errorf("missing layer: expected ErrNotFound naming %s, got %v", gone, err)
	}
	err = l.Mount(t.Context(), MountOptions{Lower: make([]string, 501), Target: target})
	if !errors.Is(err, errdefs.ErrInvalidArgument) {
		t.Errorf("501 layers: expected ErrInvalidArgument, got %v", err)
	}
	err = Layer{Dir: gone}.Mount(t.Context(), MountOptions{Lower: layers(t, 1), Target: target})
	if !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("layer never created: expected ErrNotFound, got %v", err)
	}
}

func TestReadOnlyMountRefusesWrites(t *testing.T) {
	l, target := newLayer(t)
	must(t, l.Mount(t.Context(), MountOptions{Lower: layers(t, 1), Target: target, ReadOnly: true}))
	if err := os.WriteFile(target+"/x", nil, 0o644); !errors.Is(err, unix.EROFS) {
		t.Errorf("expected EROFS, got %v", err)
	}
}

func TestNamesTheOptionsSyntaxMangles(t *testing.T) {
	base := t.TempDir()
	long := filepath.Join(base, strings.Repeat("l", 200), strings.Repeat("m", 200))
	for _, dir := range []string{base + `/a:b,c\d"e f`, long} {
		for _, old := range []bool{false, true} {
			t.Run(fmt.Sprintf("old=%v", old), func(t *testing.T) {
				lower := filepath.Join(dir, "lower")
				must(t, os.MkdirAll(lower, 0o755))
				must(t, os.WriteFile(lower+"/f", nil, 0o644))
				l := Layer{Dir: filepath.Join(dir, fmt.Sprint("layer", old))}
				must(t, l.Create())
				target := t.TempDir()
				t.Cleanup(func() { must(t, Unmount(target)) })
				o := l.overlay(MountOptions{Lower: []string{lower}})
				o.old = old
				must(t, o.mount(target))
				if _, err := os.Stat(target + "/f"); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// BenchmarkLayerLife is create, mount, unmount and remove, with none and with many other layers mounted.
func BenchmarkLayerLife(b *testing.B) {
	for _, others := range []int{0, 1000} {
		for _, volatile := range []bool{true, false} {
			b.Run(fmt.Sprintf("others=%d/volatile=%v", others, volatile), func(b *testing.B) {
				ctx := context.Background()
				lower := layers(b, 5)
				dir := b.TempDir()
				for i := range others {
					l := Layer{Dir: filepath.Join(dir, fmt.Sprint("other", i))}
					target := filepath.Join(dir, fmt.Sprint("m", i))
					must(b, l.Create())
					must(b, l.Mount(ctx, MountOptions{Lower: lower, Target: target, Volatile: true}))
					b.Cleanup(func() { must(b, Unmount(target)) })
				}
				for i := 0; b.Loop(); i++ {
					l := Layer{Dir: filepath.Join(dir, fmt.Sprint(i))}
					target := filepath.Join(dir, "merged")
					must(b, l.Create())
					must(b, l.Mount(ctx, MountOptions{Lower: lower, Target: target, Volatile: volatile}))
					must(b, Unmount(target))
					must(b, l.Remove(ctx))
				}
			})
		}
	}
}

// BenchmarkUnmount is with 2 MiB that the container wrote: unmounting writes back the whole file system, unless volatile.
func BenchmarkUnmount(b *testing.B) {
	for _, volatile := range []bool{true, false} {
		b.Run(fmt.Sprintf("volatile=%v", volatile), func(b *testing.B) {
			ctx := context.Background()
			dir := b.TempDir()
			l, target := Layer{Dir: dir + "/layer"}, dir+"/merged"
			must(b, l.Create())
			for b.Loop() {
				b.StopTimer()
				must(b, l.Mount(ctx, MountOptions{Target: target, Volatile: volatile}))
				must(b, os.WriteFile(target+"/f", make([]byte, 2<<20), 0o644))
				b.StartTimer()
				must(b, Unmount(target))
			}
		})
	}
}
