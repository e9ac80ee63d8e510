package rootfs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

// sample makes a tree with one of everything at dir.
func sample(t testing.TB, dir string) {
	t.Helper()
	must(t, os.MkdirAll(dir+"/sub/deeper", 0o755))
	must(t, os.WriteFile(dir+"/file", []byte("content"), 0o644))
	must(t, os.WriteFile(dir+"/suid", []byte("#!"), 0o755))
	must(t, os.Chown(dir+"/suid", 12, 34))
	must(t, unix.Chmod(dir+"/suid", 0o6755))
	must(t, os.Link(dir+"/file", dir+"/sub/hard"))
	must(t, os.Symlink("/etc/shadow", dir+"/abs"))
	must(t, os.Symlink("../../../../../../etc", dir+"/sub/up"))
	must(t, os.Lchown(dir+"/abs", 5, 6))
	must(t, unix.Mkfifo(dir+"/fifo", 0o640))
	must(t, unix.Mknod(dir+"/null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	must(t, unix.Lsetxattr(dir+"/file", "user.note", []byte("kept"), 0))
	must(t, unix.Lsetxattr(dir+"/suid", "security.capability",
		[]byte{1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 0))
	must(t, unix.Lsetxattr(dir+"/abs", "trusted.note", []byte("link"), 0))
	sparse, err := os.Create(dir + "/sparse")
	must(t, err)
	_, err = sparse.WriteAt([]byte("end"), 64<<20)
	must(t, err)
	must(t, sparse.Truncate(128<<20))
	must(t, sparse.Close())
	must(t, os.Chmod(dir+"/sub", 0o2750|os.ModeSetgid))
	for _, name := range []string{"file", "sub/deeper", "sub", "abs", "."} {
		must(t, unix.UtimesNanoAt(unix.AT_FDCWD, dir+"/"+name, []unix.Timespec{{Sec: 1e9}, {Sec: 1e9, Nsec: 5}}, unix.AT_SYMLINK_NOFOLLOW))
	}
}

// describe lists a tree with every attribute that a copy must keep.
func describe(t testing.TB, dir string) string {
	t.Helper()
	var out strings.Builder
	inodes := map[uint64]string{}
	must(t, filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		must(t, err)
		var st unix.Stat_t
		must(t, unix.Lstat(path, &st))
		name := strings.TrimPrefix(path, dir)
		fmt.Fprintf(&out, "%s mode %o owner %d:%d rdev %d", name, st.Mode, st.Uid, st.Gid, st.Rdev)
		if st.Mode&unix.S_IFMT != unix.S_IFDIR {
			fmt.Fprintf(&out, " size %d links %d", st.Size, st.Nlink)
		}
		if first, ok := inodes[st.Ino]; ok {
			fmt.Fprintf(&out, " same as %s", first)
		}
		inodes[st.Ino] = name
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFLNK:
			target, err := os.Readlink(path)
			must(t, err)
			out.WriteString(" -> " + target)
			fmt.Fprintf(&out, " mtime %d.%d", st.Mtim.Sec, st.Mtim.Nsec)
		case unix.S_IFREG, unix.S_IFDIR:
			fmt.Fprintf(&out, " mtime %d.%d", st.Mtim.Sec, st.Mtim.Nsec)
		}
		buf := make([]byte, 1000)
		n, err := unix.Llistxattr(path, buf)
		must(t, err)
		for key := range strings.SplitSeq(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00") {
			if key != "" && !strings.HasPrefix(key, "trusted.overlay.") {
				value := make([]byte, 100)
				n, err := unix.Lgetxattr(path, key, value)
				must(t, err)
				fmt.Fprintf(&out, " %s=%q", key, value[:n])
			}
		}
		out.WriteByte('\n')
		return nil
	}))
	return out.String()
}

func TestCopyUpKeepsEverything(t *testing.T) {
	root, dir, _ := newRoot(t)
	sample(t, dir+"/data")
	must(t, os.Chown(dir+"/data", 77, 88))
	must(t, os.Chmod(dir+"/data", 0o751))
	must(t, os.Symlink("/data", dir+"/link"))
	dst := filepath.Join(t.TempDir(), "_data")
	must(t, os.Mkdir(dst, 0o755))
	copied, err := CopyUp(t.Context(), root, "/link", dst)
	if err != nil || !copied {
		t.Fatalf("expected files to be copied, got %v, %v", copied, err)
	}
	if want, got := describe(t, dir+"/data"), describe(t, dst); got != want {
		t.Errorf("expected\n%sgot\n%s", want, got)
	}
	var st unix.Stat_t
	must(t, unix.Stat(dst+"/sparse", &st))
	if st.Blocks*512 > 1<<20 {
		t.Errorf("expected holes to stay holes, got %d bytes on disk", st.Blocks*512)
	}
	data := readString(t, dst+"/sparse")
	if data[64<<20:64<<20+3] != "end" || !bytes.Equal([]byte(data[:100]), make([]byte, 100)) {
		t.Error("expected the sparse file to have the same content")
	}
	if readString(t, dst+"/file") != "content" {
		t.Error("expected the file to have its content")
	}
	entries, err := os.ReadDir(filepath.Dir(dst))
	must(t, err)
	if len(entries) != 1 {
		t.Errorf("expected nothing beside the volume, got %v", entries)
	}
}

// TestCopyUpLeavesUserDataAlone is the rule behind CVE-2020-1726.
func TestCopyUpLeavesUserDataAlone(t *testing.T) {
	root, dir, _ := newRoot(t)
	must(t, os.Mkdir(dir+"/data", 0o700))
	must(t, os.WriteFile(dir+"/data/f", []byte("image"), 0o644))
	must(t, os.WriteFile(dir+"/data/g", []byte("image"), 0o644))
	dst := t.TempDir()
	must(t, os.WriteFile(dst+"/f", []byte("user"), 0o644))
	copied, err := CopyUp(t.Context(), root, "/data", dst)
	if err != nil || copied || readString(t, dst+"/f") != "user" || exists(t, dst+"/g") {
		t.Errorf("expected the volume untouched, got copied %v, %v", copied, err)
	}
}

func TestCopyUpOfNothing(t *testing.T) {
	root, dir, _ := newRoot(t)
	must(t, os.WriteFile(dir+"/file", nil, 0o644))
	must(t, os.Mkdir(dir+"/empty", 0o700))
	must(t, os.Chown(dir+"/empty", 7, 8))
	for _, name := range []string{"/missing", "/file", "/empty"} {
		dst := filepath.Join(t.TempDir(), "_data")
		must(t, os.Mkdir(dst, 0o755))
		if copied, err := CopyUp(t.Context(), root, name, dst); err != nil || copied {
			t.Errorf("%s: expected nothing copied, got %v, %v", name, copied, err)
		}
		var st unix.Stat_t
		must(t, unix.Stat(dst, &st))
		wantMode, wantUID := uint32(0o755), uint32(0)
		if name == "/empty" {
			wantMode, wantUID = 0o700, 7
		}
		if st.Mode&0o7777 != wantMode || st.Uid != wantUID {
			t.Errorf("%s: expected mode %o and owner %d, got %o and %d", name, wantMode, wantUID, st.Mode&0o7777, st.Uid)
		}
	}
}

// TestCopyUpFollowsNoLink: neither a link at the mount point out of the image, nor one in the volume (SECURITY row 3).
func TestCopyUpFollowsNoLink(t *testing.T) {
	root, dir, outside := newRoot(t)
	must(t, os.WriteFile(outside+"/secret", nil, 0o600))
	must(t, os.Symlink("../outside", dir+"/data"))
	dst := t.TempDir()
	if copied, err := CopyUp(t.Context(), root, "/data", dst); err != nil || copied {
		t.Errorf("expected nothing copied through a link, got %v, %v", copied, err)
	}
	must(t, os.Mkdir(dir+"/real", 0o755))
	must(t, os.WriteFile(dir+"/real/f", nil, 0o644))
	link := filepath.Join(t.TempDir(), "_data")
	must(t, os.Symlink(outside, link))
	if _, err := CopyUp(t.Context(), root, "/real", link); !errors.Is(err, errdefs.ErrInvalidArgument) {
		t.Errorf("a link for a volume: expected ErrInvalidArgument, got %v", err)
	}
	if exists(t, outside+"/f") {
		t.Error("expected nothing outside")
	}
}

func TestCopyUpIntoAMountedVolumeAndAfterACrash(t *testing.T) {
	root, dir, _ := newRoot(t)
	sample(t, dir+"/data")
	for _, mounted := range []bool{true, false} {
		dst := filepath.Join(t.TempDir(), "_data")
		must(t, os.Mkdir(dst, 0o755))
		if mounted {
			must(t, unix.Mount("tmpfs", dst, "tmpfs", 0, ""))
			t.Cleanup(func() { must(t, Unmount(dst)) })
		} else {
			must(t, os.MkdirAll(filepath.Dir(dst)+"/._data.copyup/half", 0o755))
		}
		copied, err := CopyUp(t.Context(), root, "/data", dst)
		if err != nil || !copied || !exists(t, dst+"/sub/hard") || exists(t, dst+"/half") {
			t.Errorf("mounted %v: expected the image's files, got %v, %v", mounted, copied, err)
		}
	}
}

func TestACopyIsTheMergedLayers(t *testing.T) {
	base := t.TempDir()
	lower, upper, work, merged := base+"/lower", base+"/upper", base+"/work", base+"/merged"
	for _, d := range []string{lower, upper, work, merged} {
		must(t, os.Mkdir(d, 0o755))
	}
	sample(t, lower)
	must(t, os.MkdirAll(lower+"/opaque/old", 0o755))
	must(t, os.MkdirAll(lower+"/todir", 0o755))
	must(t, os.WriteFile(lower+"/gone", nil, 0o644))
	must(t, os.WriteFile(lower+"/fromfile", nil, 0o644))
	// The kernel itself writes the layer that is merged.
	must(t, overlay{lower: []string{lower}, upper: upper, work: work}.mount(merged))
	t.Cleanup(func() { must(t, Unmount(merged)) })
	must(t, os.Remove(merged+"/gone"))
	must(t, os.RemoveAll(merged+"/opaque"))
	must(t, os.MkdirAll(merged+"/opaque/new", 0o700))
	must(t, os.WriteFile(merged+"/sub/added", []byte("added"), 0o600))
	must(t, os.RemoveAll(merged+"/todir"))
	must(t, os.WriteFile(merged+"/todir", nil, 0o600))
	must(t, os.Remove(merged+"/fromfile"))
	must(t, os.Mkdir(merged+"/fromfile", 0o700))
	must(t, os.Chmod(merged+"/file", 0o600))
	dst := base + "/copy"
	must(t, copyLayers(t.Context(), []string{lower, upper}, dst))
	drop := func(s string) string { // links and their counts differ: a copy-up with index=off breaks them
		var out []string
		for line := range strings.Lines(s) {
			if !strings.HasPrefix(line, "/file ") && !strings.HasPrefix(line, "/sub/hard ") {
				out = append(out, line)
			}
		}
		return strings.Join(out, "")
	}
	if want, got := drop(describe(t, merged)), drop(describe(t, dst)); got != want {
		t.Errorf("expected\n%sgot\n%s", want, got)
	}
}

// onOverlay is a layer whose directory lies on an overlay, which cannot carry another's upper directory.
func onOverlay(t testing.TB) (Layer, string) {
	t.Helper()
	base, target := newLayer(t)
	must(t, base.Mount(t.Context(), MountOptions{Target: target}))
	l := Layer{Dir: target + "/layer"}
	must(t, l.Create())
	inner := t.TempDir()
	t.Cleanup(func() { must(t, Unmount(inner)) })
	return l, inner
}

func TestWhereOverlayIsNotPossibleALayerStillWorks(t *testing.T) {
	if _, err := exec.LookPath("fuse-overlayfs"); err != nil {
		t.Fatal("these tests need fuse-overlayfs: apt-get install fuse-overlayfs")
	}
	lower := layers(t, 3)
	for _, way := range []string{"fuse-overlayfs", "copy"} {
		t.Run(way, func(t *testing.T) {
			if way == "copy" {
				t.Setenv("PATH", "/nonexistent")
			}
			l, target := onOverlay(t)
			o := MountOptions{Lower: lower, Target: target}
			for i := range 2 {
				must(t, l.Mount(t.Context(), o))
				must(t, l.Mount(t.Context(), o))
				if got := readString(t, target+"/which"); i == 0 && got != "2" || i == 1 && got != "changed" {
					t.Errorf("mount %d: got %q from the layers", i, got)
				}
				must(t, os.WriteFile(target+"/which", []byte("changed"), 0o644))
				if got := mountsAt(t, target); got != 1 {
					t.Errorf("expected 1 mount, got %d", got)
				}
				if isCopy := exists(t, l.copy()); isCopy != (way == "copy") {
					t.Errorf("expected %s, got copy %v", way, isCopy)
				}
				must(t, Unmount(target))
			}
			if got := readString(t, lower[2]+"/which"); got != "2" {
				t.Errorf("expected the image untouched, got %q", got)
			}
			must(t, l.Remove(t.Context()))
			if exists(t, l.Dir) {
				t.Error("expected the layer to be gone")
			}
		})
	}
}
