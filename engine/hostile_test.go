package engine

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/ocispec"
	"github.com/berth-engine/berth/rootfs"
)

func TestAWorkingDirectoryIsNotMadeInAReadOnlyMount(t *testing.T) {
	root, err := rootfs.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	source := t.TempDir()
	if err := os.Mkdir(source+"/there", 0o755); err != nil {
		t.Fatal(err)
	}
	mounts := []ocispec.Mount{{Type: "bind", Source: source, Destination: "/data", Options: []string{"ro"}}}
	at := func(dir string) error {
		c := container.Container{Config: container.Config{Process: container.Process{WorkDir: dir}}}
		return makeWorkDir(&starting{root: root, c: &c}, mounts)
	}
	if err := at("/data/evil/deep"); !errors.Is(err, errdefs.ErrInvalidArgument) {
		t.Errorf("expected ErrInvalidArgument, got %v", err)
	}
	if _, err := os.Lstat(source + "/evil"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("expected nothing to be made in the mount's source, got %v", err)
	}
	if err := at("/data/there"); err != nil {
		t.Errorf("one that is there: %v", err)
	}
	mounts[0].Options = nil
	if err := at("/data/made"); err != nil {
		t.Errorf("in a mount that can be written to: %v", err)
	}
	if _, err := os.Stat(source + "/made"); err != nil {
		t.Error(err)
	}
}

func TestASubpathThatIsAPipeIsRefusedAndNotWaitedFor(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(dir+"/pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("pipe", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"pipe", "link"} {
		if got, err := openSubpath(dir, name); !errors.Is(err, errdefs.ErrInvalidArgument) {
			t.Errorf("%s: expected ErrInvalidArgument, got %v, %v", name, got, err)
		}
	}
	if err := os.WriteFile(dir+"/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := openSubpath(dir, "file")
	if err != nil {
		t.Fatalf("a file: %v", err)
	}
	f.Close()
}

func TestOnlyAnEmptyVolumeIsGivenToItsFirstUser(t *testing.T) {
	for name, want := range map[string]uint32{"empty": 1234, "full": uint32(os.Getuid())} {
		dir := t.TempDir()
		if name == "full" {
			if err := os.WriteFile(dir+"/file", nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := giveEmpty(dir, 1234, 1234); err != nil {
			t.Fatal(err)
		}
		fi, err := os.Stat(dir)
		if err != nil {
			t.Fatal(err)
		}
		if got := fi.Sys().(*syscall.Stat_t).Uid; got != want {
			t.Errorf("%s: expected the owner %d, got %d", name, want, got)
		}
	}
}

func TestALogPathThatIsNoFileIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(dir+"/pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("pipe", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	e := testEngine(t)
	for _, path := range []string{dir, dir + "/pipe", dir + "/link", "/dev/zero"} {
		var cfg container.Config
		if err := e.applyLogDefaults(&cfg, container.Log{Path: path}); !errors.Is(err, errdefs.ErrInvalidArgument) {
			t.Errorf("%s: expected ErrInvalidArgument, got %v", path, err)
		}
	}
	for _, log := range []container.Log{{}, {Path: dir + "/new"}, {Path: "/dev/zero", Driver: "none"}} {
		var cfg container.Config
		if err := e.applyLogDefaults(&cfg, log); err != nil {
			t.Errorf("%+v: %v", log, err)
		}
	}
}

func TestAnImagesVolumeDoesNotCoverTheKernelsFiles(t *testing.T) {
	for _, path := range []string{"/proc", "/proc/self/attr", "/data/../proc/", "sys", "/sys/fs/cgroup", "/", "/data/.."} {
		if got, err := mountsOfImage([]string{path}, ""); !errors.Is(err, errdefs.ErrInvalidArgument) {
			t.Errorf("%s: expected ErrInvalidArgument, got %v, %v", path, got, err)
		}
		if got, err := mountsOfImage([]string{path}, "ignore"); err != nil || len(got) > 0 {
			t.Errorf("%s, ignored: expected no mounts, got %v, %v", path, got, err)
		}
	}
	if got, err := mountsOfImage([]string{"/process", "/data"}, ""); err != nil || len(got) != 2 {
		t.Errorf("expected two mounts, got %v, %v", got, err)
	}
}

func TestAnImagesVolumeIsNotLedToTheKernelsFilesByALink(t *testing.T) {
	dir, link := t.TempDir(), filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	root, err := rootfs.OpenRoot(link) // the run directory may be reached by a link
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, name := range []string{"/proc", "/data"} {
		if err := os.Mkdir(dir+name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"p": "/proc", "up": "../../../proc", "data/link": "../p", "dangling": "/proc/self/attr", "out": "/data"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"/p", "/p/self", "/up/1/attr", "/data/link", "/data/link/x/y", "/dangling", "/dangling/current"} {
		m := container.Mount{Type: container.Volume, Destination: path, FromImage: true}
		if err := checkImageVolume(root, m); !errors.Is(err, errdefs.ErrInvalidArgument) {
			t.Errorf("%s: expected ErrInvalidArgument, got %v", path, err)
		}
		m.FromImage = false
		if err := checkImageVolume(root, m); err != nil {
			t.Errorf("%s, the user's own: %v", path, err)
		}
	}
	for _, path := range []string{"/data", "/data/new/deep", "/out/x", "/new"} {
		if err := checkImageVolume(root, container.Mount{Destination: path, FromImage: true}); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestADirectoryWithoutDevicesIsNoDevice(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	at := func() ([]ocispec.Device, error) {
		return devicesOf(&container.Config{Devices: []container.Device{{Source: dir, Destination: "/dev/x", Access: "r"}}})
	}
	if got, err := at(); !errors.Is(err, errdefs.ErrInvalidArgument) {
		t.Errorf("expected ErrInvalidArgument, got %v, %v", got, err)
	}
	if err := syscall.Mknod(dir+"/null", syscall.S_IFCHR|0o600, 1<<8|3); err != nil {
		t.Fatal(err)
	}
	if got, err := at(); err != nil || len(got) != 1 || got[0].Path != "/dev/x/null" {
		t.Errorf("expected /dev/x/null alone, got %v, %v", got, err)
	}
}
