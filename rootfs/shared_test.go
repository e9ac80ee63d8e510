package rootfs

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSharedTellsTheMountThatADirectoryLiesOn(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, 0) })
	below := filepath.Join(dir, "a b")
	if err := os.Mkdir(below, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		flag uintptr
		want bool
	}{{unix.MS_PRIVATE, false}, {unix.MS_SHARED, true}, {unix.MS_SLAVE, false}} {
		if err := unix.Mount("", dir, "", c.flag, ""); err != nil {
			t.Fatal(err)
		}
		got, err := Shared(below)
		if err != nil || got != c.want {
			t.Errorf("flag %#x: shared %v, %v; want %v", c.flag, got, err, c.want)
		}
	}
}
