package rootfs

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func archiveOf(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(w, zeroReader{}, h.Size); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'z'
	}
	return len(p), nil
}

func TestUnpackStrictFollowsNoLinkOnTheWay(t *testing.T) {
	top := t.TempDir()
	outside, inside := filepath.Join(top, "outside"), filepath.Join(top, "inside")
	for _, d := range []string{outside, inside} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	host, err := OpenRoot("/")
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	for name, data := range map[string][]byte{
		"a link of the archive's own": archiveOf(t, tar.Header{Name: "way", Linkname: outside, Typeflag: tar.TypeSymlink},
			tar.Header{Name: "way/file", Size: 3, Mode: 0o644}),
		"a relative one": archiveOf(t, tar.Header{Name: "way2", Linkname: "../outside", Typeflag: tar.TypeSymlink},
			tar.Header{Name: "way2/file", Size: 3, Mode: 0o644}),
		"a hard link through one": archiveOf(t, tar.Header{Name: "way3", Linkname: outside, Typeflag: tar.TypeSymlink},
			tar.Header{Name: "hard", Linkname: "way3/file", Typeflag: tar.TypeLink}),
		"dots": archiveOf(t, tar.Header{Name: "../outside/file", Size: 3, Mode: 0o644}),
	} {
		if err := host.Unpack(context.Background(), inside, bytes.NewReader(data), UnpackOptions{Strict: true}); err == nil {
			t.Errorf("%s: expected an error, got none", name)
		}
		if entries, _ := os.ReadDir(outside); len(entries) > 0 {
			t.Errorf("%s: expected nothing outside, got %v", name, entries)
		}
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(archiveOf(f, tar.Header{Name: "d/", Typeflag: tar.TypeDir, Mode: 0o755}, tar.Header{Name: "d/f", Size: 10, Mode: 0o4755}))
	f.Add(archiveOf(f, tar.Header{Name: "l", Linkname: "/", Typeflag: tar.TypeSymlink}, tar.Header{Name: "l/../x", Size: 1}))
	f.Add(archiveOf(f, tar.Header{Name: "a", Size: 1}, tar.Header{Name: "b", Linkname: "a", Typeflag: tar.TypeLink}, tar.Header{Name: "p", Typeflag: tar.TypeFifo}))
	f.Add([]byte(strings.Repeat("x", 1024)))
	f.Fuzz(func(t *testing.T, data []byte) {
		top := t.TempDir()
		for _, d := range []string{"root", "root/dest", "root/there"} {
			if err := os.Mkdir(filepath.Join(top, d), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		root, err := OpenRoot(filepath.Join(top, "root"))
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		o := UnpackOptions{Owner: &[2]int{os.Getuid(), os.Getgid()}, Plain: true, MaxBytes: 1 << 20, MaxEntries: 1000}
		_ = root.Unpack(context.Background(), "/dest", bytes.NewReader(data), o)
		o.Strict = true
		_ = root.Unpack(context.Background(), "/dest", bytes.NewReader(data), o)
		if entries, _ := os.ReadDir(top); len(entries) != 1 {
			t.Errorf("expected nothing outside the root, got %v", entries)
		}
	})
}

func TestPackIsBoundToWhatItsHeadersSayWhileAFileGrowsAndShrinks(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, bytes.Repeat([]byte("x"), 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for size := int64(0); ; size = (size + 77777) % (2 << 20) {
			select {
			case <-stop:
				return
			default:
				_ = os.Truncate(path, size)
			}
		}
	}()
	defer func() { close(stop); <-done }()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for range 50 {
		var b bytes.Buffer
		if err := Pack(context.Background(), &b, f, "top", PackOptions{}); err != nil {
			t.Fatalf("expected an archive, got %v", err)
		}
		r := tar.NewReader(&b)
		for n := 0; ; n++ {
			_, err := r.Next()
			if err == io.EOF {
				if n != 2 {
					t.Fatalf("expected 2 entries, got %d", n)
				}
				break
			}
			if err != nil {
				t.Fatalf("expected a whole archive, got %v", err)
			}
		}
	}
}

func TestChangesOfALayerAgainstSeveralLower(t *testing.T) {
	top := t.TempDir()
	mk := func(layer string, files ...string) string {
		for _, f := range files {
			path := filepath.Join(top, layer, f)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(layer), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return filepath.Join(top, layer)
	}
	low := mk("low", "a/x", "a/y", "b")
	middle := mk("middle", "a/z", "c")
	upper := mk("upper", "a/z", "a/new", "d")
	if err := os.Mkdir(filepath.Join(upper, "proc"), 0o755); err != nil {
		t.Fatal(err)
	}
	d := Diff{Upper: upper, Lower: []string{low, middle}}
	check := func(expected string) {
		t.Helper()
		changes, err := d.Changes(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range changes {
			got = append(got, c.Kind.String()+c.Path)
		}
		if strings.Join(got, " ") != expected {
			t.Errorf("expected %s, got %s", expected, strings.Join(got, " "))
		}
	}
	check("C/a A/a/new C/a/z A/d A/proc")
	d.Placed = func(path string) bool { return path == "/proc" }
	check("C/a A/a/new C/a/z A/d")
	d.Whole = true
	check("C/a A/a/new D/a/x D/a/y C/a/z D/b D/c A/d")
}
