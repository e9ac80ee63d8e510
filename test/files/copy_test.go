package files

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/test/sandbox"
)

// statuses brings the container c, which runs sleep, into each status that files are copied in.
var statuses = []struct {
	name string
	into []string
}{
	{"running", []string{"start", "c"}},
	{"paused", []string{"pause", "c"}},
	{"stopped", nil},
}

// inEach calls test with c in each status.
func inEach(t *testing.T, s *sandbox.Sandbox, test func(t *testing.T)) {
	t.Helper()
	for _, status := range statuses {
		if status.into == nil {
			s.OK("unpause", "c")
			s.OK("stop", "-t", "0", "c")
		} else {
			s.OK(status.into...)
		}
		t.Run(status.name, test)
	}
}

// listing shows a tree of the host: kinds, names and contents.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		switch {
		case d.IsDir():
			rel += "/"
		case d.Type()&os.ModeSymlink != 0:
			target, _ := os.Readlink(path)
			rel += "->" + target
		case d.Type().IsRegular():
			data, _ := os.ReadFile(path)
			rel += "=" + string(data)
		}
		lines = append(lines, rel)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, " ")
}

const copySetup = `test -e /file && exec sleep 1000
mkdir -p /src/sub /vol /empty; echo -n 1 > /src/one; echo -n 2 > /src/sub/two; ln -s one /src/link; ln -s /src /to-src
ln -s /src/one /to-one; echo -n f > /file; exec sleep 1000`

func copyContainer(t *testing.T, more ...string) *sandbox.Sandbox {
	t.Helper()
	s := sandbox.New(t)
	s.LoadBusybox()
	args := append([]string{"create", "--name", "c", "-v", "/vol", "-v", s.Dir + "/bound:/bound", "--tmpfs", "/scratch"}, more...)
	if err := os.Mkdir(filepath.Join(s.Dir, "bound"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.OK(append(args, sandbox.Busybox, "sh", "-c", copySetup)...)
	s.OK("start", "c")
	s.Eventually("the files", func() bool { return s.Berth("exec", "c", "test", "-e", "/file").Code == 0 })
	s.OK("stop", "-t", "0", "c")
	// The second run finds them there.
	return s
}

// TestCopiesOutFollowTheRulesOfDockerCp has the destinations d (a directory) and f (a file) before each case.
func TestCopiesOutFollowTheRulesOfDockerCp(t *testing.T) {
	t.Parallel()
	s := copyContainer(t)
	const tree = "link->one one=1 sub/ sub/two=2"
	for _, status := range []string{"stopped", "running"} {
		if status == "running" {
			s.OK("start", "c")
		}
		for i, tc := range []struct {
			source, destination, expected string
		}{
			{"/file", "d", "d/ d/file=f f=old"},
			{"/file", "d/", "d/ d/file=f f=old"},
			{"/file", "d/new", "d/ d/new=f f=old"},
			{"file", "f", "d/ f=f"},
			{"/src", "d", "d/ d/src/ d/src/link->one d/src/one=1 d/src/sub/ d/src/sub/two=2 f=old"},
			{"/src/", "d", "d/ d/src/ d/src/link->one d/src/one=1 d/src/sub/ d/src/sub/two=2 f=old"},
			{"/src/.", "d", "d/ d/link->one d/one=1 d/sub/ d/sub/two=2 f=old"},
			{"/src/.", "new", "d/ f=old new/ new/link->one new/one=1 new/sub/ new/sub/two=2"},
			{"/src/sub", "new", "d/ f=old new/ new/two=2"},
			{"/src/sub", "new/", "d/ f=old new/ new/two=2"},
			{"/to-one", "d", "d/ d/to-one->/src/one f=old"},
			{"/to-src", "d", "d/ d/to-src->/src f=old"},
			{"/to-src/sub", "d", "d/ d/sub/ d/sub/two=2 f=old"},
			{"/to-src/.", "new", "d/ f=old new/ new/link->one new/one=1 new/sub/ new/sub/two=2"},
			{"/../../src/sub", "d", "d/ d/sub/ d/sub/two=2 f=old"},
			{"/file", "missing/new", "error: must exist"},
			{"/file", "missing/", "error: must exist"},
			{"/nothing", "d", `error: "/nothing" could not be found on container c`},
			{"/file/", "d", "error: "},
			{"/src", "f", "error: cannot copy a directory to the file"},
			{"/file", "f/", "error: not a directory"},
		} {
			dir := filepath.Join(s.Dir, fmt.Sprint(status, i))
			if err := os.MkdirAll(filepath.Join(dir, "d"), 0o755); err != nil {
				t.Fatal(err)
			}
			s.Write(filepath.Join(fmt.Sprint(status, i), "f"), "old")
			r := s.Berth("cp", "c:"+tc.source, dir+"/"+tc.destination)
			if want, ok := strings.CutPrefix(tc.expected, "error: "); ok {
				r.Expect(t, 125, want)
				sandbox.Equal(t, "after a refusal", listing(t, dir), "d/ f=old")
				continue
			}
			r.Expect(t, 0)
			sandbox.Equal(t, status+": "+tc.source+" to "+tc.destination, listing(t, dir), tc.expected)
		}
	}
	out := filepath.Join(s.Dir, "followed")
	s.OK("cp", "-L", "c:/to-one", out)
	sandbox.Equal(t, "-L of a file", s.Exists(out), true)
	s.OK("cp", "-L", "c:/to-src", out+"-dir")
	sandbox.Equal(t, "-L of a directory", listing(t, out+"-dir"), tree)
}

func TestCopiesInAreSeenInEveryStatusOnVolumesAndTmpfs(t *testing.T) {
	t.Parallel()
	s := copyContainer(t)
	s.Write("in/a", "A")
	s.Write("in/deep/b", "B")
	inEach(t, s, func(t *testing.T) {
		status := strings.SplitN(t.Name(), "/", 2)[1]
		for _, place := range []string{"/empty", "/vol", "/bound", "/scratch"} {
			if status == "stopped" && place == "/scratch" {
				continue
			}
			to := place + "/" + status
			s.OK("cp", s.Dir+"/in", "c:"+to)
			s.OK("cp", s.Dir+"/in/a", "c:"+to+"/deep/renamed")
			back := filepath.Join(s.Dir, "back", place, status)
			if err := os.MkdirAll(filepath.Dir(back), 0o755); err != nil {
				t.Fatal(err)
			}
			s.OK("cp", "c:"+to, back)
			sandbox.Equal(t, "from "+to, listing(t, back), "a=A deep/ deep/b=B deep/renamed=A")
		}
		s.OK("cp", s.Dir+"/in/a", "c:/to-one")
		sandbox.Equal(t, "through a link", s.OK("cp", "c:/src/one", "-"), s.OK("cp", "c:/src/one", "-"))
	})
	s.OK("start", "c")
	for _, place := range []string{"/empty", "/vol", "/bound"} {
		sandbox.Equal(t, "in the container", s.OK("exec", "c", "sh", "-c", "cat "+place+"/*/deep/renamed; stat -c %u:%g "+place+"/stopped/a"), "AAA0:0")
	}
	sandbox.Equal(t, "the bind mount on the host", s.Exists(s.Dir+"/bound/stopped/a"), true)
	sandbox.Equal(t, "what the link led to", s.OK("exec", "c", "cat", "/src/one"), "A")
	s.Write("clash/sub", "a file")
	s.Fails(125, []string{"cannot overwrite directory"}, "cp", s.Dir+"/clash/.", "c:/src")
	s.OK("cp", "--overwrite", s.Dir+"/clash/.", "c:/src")
	sandbox.Equal(t, "overwritten", s.OK("exec", "c", "cat", "/src/sub"), "a file")
	s.OK("cp", s.Dir+"/clash/sub", "c:/etc/hosts") // which is mounted
	sandbox.Equal(t, "a file that is mounted", s.OK("exec", "c", "cat", "/etc/hosts"), "a file")
}

func TestCopyKeepsEverythingThereAndBack(t *testing.T) {
	t.Parallel()
	s := copyContainer(t)
	s.OK("create", "--name", "d", sandbox.Busybox)
	dir := filepath.Join(s.Dir, "tree")
	s.Write("tree/plain", strings.Repeat("data", 10000))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Link(dir+"/plain", dir+"/hard"))
	must(unix.Mkfifo(dir+"/pipe", 0o640))
	must(unix.Mknod(dir+"/device", unix.S_IFCHR|0o620, int(unix.Mkdev(1, 3))))
	must(unix.Setxattr(dir+"/plain", "user.note", []byte("kept"), 0))
	must(os.Chown(dir+"/plain", 12, 34))
	must(unix.Chmod(dir+"/plain", 0o4711))
	sparse, err := os.Create(dir + "/sparse")
	must(err)
	_, err = sparse.WriteAt([]byte("end"), 64<<20)
	must(err)
	must(sparse.Close())
	must(os.Symlink("../../../../etc/passwd", dir+"/out"))
	long := strings.Repeat("n", 200)
	s.Write("tree/"+long+"/"+long, "long")
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	must(err)
	defer unix.Close(socket)
	must(os.Chdir("/"))
	must(unix.Mknod(dir+"/socket", unix.S_IFSOCK|0o600, 0))

	s.OK("cp", "-a", dir, "c:/kept")
	s.OK("cp", "-a", "c:/kept", "d:/")
	s.OK("start", "c")
	s.OK("cp", "-a", "d:/kept", "c:/scratch/again")
	back := filepath.Join(s.Dir, "back")
	s.OK("cp", "-a", "c:/scratch/again", back)
	must(os.Remove(dir + "/socket")) // no archive can hold it
	out, err := exec.Command("diff", "-r", "--no-dereference", dir, back).CombinedOutput()
	if text := strings.TrimSpace(string(out)); err != nil && !onlySpecial(text) {
		t.Errorf("expected the same tree, got %v\n%s", err, text)
	}
	var a, b, h unix.Stat_t
	for _, name := range []string{"plain", "pipe", "device", "sparse", "out", long} {
		must(unix.Lstat(dir+"/"+name, &a))
		must(unix.Lstat(back+"/"+name, &b))
		if a.Mode != b.Mode || a.Uid != b.Uid || a.Gid != b.Gid || a.Rdev != b.Rdev || a.Mtim != b.Mtim {
			t.Errorf("%.20s: expected mode %o, owner %d:%d, device %d, time %v, got %o, %d:%d, %d, %v", name,
				a.Mode, a.Uid, a.Gid, a.Rdev, a.Mtim, b.Mode, b.Uid, b.Gid, b.Rdev, b.Mtim)
		}
	}
	must(unix.Lstat(back+"/plain", &b))
	must(unix.Lstat(back+"/hard", &h))
	sandbox.Equal(t, "the hard link's inode", h.Ino, b.Ino)
	must(unix.Lstat(back+"/sparse", &b))
	if b.Blocks > 2048 {
		t.Errorf("expected the holes of a sparse file to be kept, got %d blocks", b.Blocks)
	}
	value := make([]byte, 16)
	if n, err := unix.Getxattr(back+"/plain", "user.note", value); err != nil || string(value[:n]) != "kept" {
		t.Errorf("expected the attribute to be kept, got %q, %v", value[:max(n, 0)], err)
	}
	s.OK("cp", "d:/kept/plain", filepath.Join(s.Dir, "mine"))
	must(unix.Lstat(filepath.Join(s.Dir, "mine"), &b))
	if b.Mode&0o7777 != 0o711 || int(b.Uid) != os.Getuid() {
		t.Errorf("without -a: expected the caller's file without set-id bits, got mode %o of %d", b.Mode, b.Uid)
	}
}

// onlySpecial: diff(1) says of special files that they cannot be compared.
func onlySpecial(text string) bool {
	for _, line := range strings.Split(text, "\n") {
		if !strings.Contains(line, "is a fifo") && !strings.Contains(line, "is a character special file") {
			return false
		}
	}
	return true
}

func TestCopyOfStreams(t *testing.T) {
	t.Parallel()
	s := copyContainer(t)
	s.OK("start", "c")
	archive := s.OK("cp", "c:/src", "-")
	found := entries(t, []byte(archive))
	for _, name := range []string{"src", "src/one", "src/sub/two", "src/link"} {
		if found[name] == nil {
			t.Errorf("expected %s in the archive, got %v", name, found)
		}
	}
	s.BerthIn(archive, "cp", "-", "c:/vol").Expect(t, 0)
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write([]byte(archive))
	w.Close()
	s.BerthIn(z.String(), "cp", "-", "c:/empty").Expect(t, 0)
	sandbox.Equal(t, "unpacked", s.OK("exec", "c", "cat", "/vol/src/sub/two", "/empty/src/link"), "21")
	s.BerthIn(archive, "cp", "-", "c:/file").Expect(t, 125, "not a directory")
	s.BerthIn(archive, "cp", "-", "c:/missing").Expect(t, 125, "could not be found")
	s.BerthIn("this is no archive at all"+strings.Repeat("x", 2000), "cp", "-", "c:/empty").Expect(t, 125, "tar archive")
	s.BerthIn(hostile(t, tar.Header{Name: "cut", Size: 5000}, strings.Repeat("x", 5000))[:3000], "cp", "-", "c:/empty").Expect(t, 125, "tar archive")
	sandbox.Equal(t, "a file of which half has come", s.Berth("exec", "c", "test", "-e", "/empty/cut").Code, 1)
	s.Fails(125, []string{"must be a path"}, "cp", "-", "-")
	s.Fails(125, []string{"neither"}, "cp", "/etc/hosts", "/tmp/x")
	s.Fails(125, []string{"no such container"}, "cp", "nothing:/x", s.Dir)
	s.Fails(125, []string{"into itself"}, "cp", "c:/", "c:/empty")
	s.Fails(125, []string{"into itself"}, "cp", "c:/src", "c:/src/sub")
	s.Env = append(s.Env, "BERTH_MAX_LAYER_BYTES=1000")
	s.BerthIn(hostile(t, tar.Header{Name: "bomb", Size: 2000}, strings.Repeat("x", 2000)), "cp", "-", "c:/empty").Expect(t, 125, "BERTH_MAX_LAYER_BYTES")
}

func hostile(t *testing.T, h tar.Header, data string) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&h); err != nil {
		t.Fatal(err)
	}
	w.Write([]byte(data))
	w.Close()
	return b.String()
}

func TestAHostileArchiveLeadsNowhere(t *testing.T) {
	t.Parallel()
	s := copyContainer(t)
	s.OK("start", "c")
	for name, h := range map[string]tar.Header{
		"dots":      {Name: "../../../../../../../../" + s.Dir + "/escaped", Typeflag: tar.TypeReg},
		"hard link": {Name: "x", Linkname: "../../../../../../../.." + s.Dir + "/secret", Typeflag: tar.TypeLink},
		"whiteout":  {Name: "x", Typeflag: tar.TypeChar},
	} {
		r := s.BerthIn(hostile(t, h, ""), "cp", "-a", "-", "c:/empty")
		if r.Code != 125 {
			t.Errorf("%s: expected it to be refused, got %s", name, r)
		}
	}
	// A link out of the container leads to the container's own root.
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []tar.Header{
		{Name: "way", Linkname: s.Dir, Typeflag: tar.TypeSymlink, Mode: 0o777},
		{Name: "way/inside", Size: 1, Mode: 0o644},
	} {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			w.Write([]byte("x"))
		}
	}
	w.Close()
	s.BerthIn(b.String(), "cp", "-", "c:/empty").Expect(t, 0)
	sandbox.Equal(t, "a file on the host", s.Exists(s.Dir+"/inside"), false)
	sandbox.Equal(t, "the file", s.OK("exec", "c", "cat", s.Dir+"/inside"), "x")
}

func TestCopiesOfAUserNamespaceHaveTheContainersOwners(t *testing.T) {
	t.Parallel()
	s := copyContainer(t, "--userns", "auto")
	s.Write("in/file", "x")
	if err := os.Chown(filepath.Join(s.Dir, "in/file"), 1000, 1000); err != nil {
		t.Fatal(err)
	}
	inEach(t, s, func(t *testing.T) {
		status := strings.SplitN(t.Name(), "/", 2)[1]
		s.OK("cp", "-a", s.Dir+"/in", "c:/empty/"+status)
		s.OK("cp", s.Dir+"/in/file", "c:/empty/"+status+"/roots")
		found := entries(t, []byte(s.OK("cp", "c:/empty/"+status, "-")))
		if h := found[status+"/file"]; h == nil || h.Uid != 1000 || h.Gid != 1000 {
			t.Errorf("-a: expected 1000:1000, got %+v", h)
		}
		if h := found[status+"/roots"]; h == nil || h.Uid != 0 || h.Gid != 0 {
			t.Errorf("expected 0:0, got %+v", h)
		}
		if h := entries(t, []byte(s.OK("export", "c")))["empty/"+status+"/file"]; h == nil || h.Uid != 1000 {
			t.Errorf("export: expected 1000, got %+v", h)
		}
	})
	s.OK("start", "c")
	sandbox.Equal(t, "in the container", s.OK("exec", "c", "stat", "-c", "%u:%g", "/empty/stopped/file", "/empty/stopped/roots"), "1000:1000\n0:0")
	s.OK("commit", "-q", "c", "localhost/mapped")
	sandbox.Equal(t, "in the image", s.OK("run", "--rm", "localhost/mapped", "stat", "-c", "%u:%g", "/empty/stopped/file"), "1000:1000")
}
