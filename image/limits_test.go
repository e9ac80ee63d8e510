package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

// bomb is a layer that must not be unpacked.
type bomb struct {
	name string
	raw  []byte
	part string // of the error
}

func bombs(t *testing.T) []bomb {
	t.Helper()
	many := [][2]string{}
	for i := range 3000 {
		many = append(many, [2]string{"f" + strconv.Itoa(i), ""})
	}
	return []bomb{
		{"a sparse file of 8 TB", sparseFile(t, 8<<40), BytesVariable},
		{"a header that promises 8 TB", promise(t, 8<<40), BytesVariable},
		{"many entries", tarFiles(t, many...), EntriesVariable},
		{"deep nesting", tarFiles(t, [2]string{strings.Repeat("d/", MaxLayerDepth+1) + "f", ""}), strconv.Itoa(MaxLayerDepth)},
		{"many large files", tarFiles(t, [2]string{"a", strings.Repeat("a", 3<<20)}, [2]string{"b", strings.Repeat("b", 3<<20)}), BytesVariable},
	}
}

// lower lowers the limits so far that a test is quick.
func lower(t *testing.T) {
	t.Setenv(BytesVariable, strconv.Itoa(5<<20))
	t.Setenv(EntriesVariable, "2000")
}

func sparseFile(t *testing.T, size int64) []byte {
	t.Helper()
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "big"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	raw, err := exec.Command("tar", "-C", dir, "--sparse", "-cf", "-", "big").Output()
	if err != nil || len(raw) > 1<<20 {
		t.Fatalf("expected a small archive of a sparse file, got %d bytes, %v", len(raw), err)
	}
	return raw
}

// promise is an archive that ends after the header of a file.
func promise(t *testing.T, size int64) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := tar.NewWriter(&b).WriteHeader(&tar.Header{Name: "big", Typeflag: tar.TypeReg, Mode: 0o644, Size: size}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// tarFiles has these files, each a name and a content.
func tarFiles(t *testing.T, files ...[2]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Name: f[0], Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(f[1]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, f[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func rawLayer(t *testing.T, raw []byte) v1.Layer {
	t.Helper()
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil })
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestABombIsRefusedAndLeavesNothing(t *testing.T) {
	lower(t)
	reg := newRegistry(t)
	for _, b := range bombs(t) {
		img := imageOf(t, "amd64", fileLayer(t, "first", 10), rawLayer(t, b.raw))
		ways := map[string]func(s *Store) error{
			"load docker-archive": func(s *Store) error {
				_, err := s.Load(ctx, LoadOptions{Path: dockerArchive(t, map[string]v1.Image{"example.com/a:1": img})})
				return err
			},
			"load oci": func(s *Store) error {
				_, err := s.Load(ctx, LoadOptions{Path: ociLayout(t, map[string]v1.Image{"example.com/a:1": img})})
				return err
			},
			"pull": func(s *Store) error {
				_, err := s.Pull(ctx, reg.push(t, "some/app:v1", img), PullOptions{Access: plain})
				return err
			},
			"import": func(s *Store) error {
				_, err := s.Import(ctx, "-", ImportOptions{Input: bytes.NewReader(b.raw)})
				return err
			},
		}
		for way, do := range ways {
			t.Run(b.name+", "+way, func(t *testing.T) {
				s := newStore(t)
				wantClass(t, do(s), errdefs.ErrInvalidArgument, b.part, "refused")
				wantEmpty(t, s)
			})
		}
	}
}

func TestABombOfCopiesIsRefused(t *testing.T) {
	lower(t)
	s := newStore(t)
	s.opts.Driver = "vfs"
	img := imageOf(t, "amd64", rawLayer(t, sparseFile(t, 8<<40)))
	_, err := s.Load(ctx, LoadOptions{Path: dockerArchive(t, map[string]v1.Image{"example.com/a:1": img})})
	wantClass(t, err, errdefs.ErrInvalidArgument, BytesVariable)
	wantEmpty(t, s)
}

// An archive that is small only as long as it is compressed is not written to the disk whole.
func TestACompressedArchiveIsBounded(t *testing.T) {
	lower(t)
	var packed bytes.Buffer
	z, err := zstd.NewWriter(&packed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(z, zeros{}, 50<<20); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for way, do := range map[string]func(s *Store) error{
		"load": func(s *Store) error {
			_, err := s.Load(ctx, LoadOptions{Input: bytes.NewReader(packed.Bytes())})
			return err
		},
		"import": func(s *Store) error {
			_, err := s.Import(ctx, "-", ImportOptions{Input: bytes.NewReader(packed.Bytes())})
			return err
		},
	} {
		t.Run(way, func(t *testing.T) {
			s := newStore(t)
			wantClass(t, do(s), errdefs.ErrInvalidArgument, BytesVariable)
			wantEmpty(t, s)
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// What the disk has no room for is refused before it is written: a sparse file of 1 GB would take long to fill it.
func TestALayerThatTheDiskHasNoRoomForIsRefusedAtOnce(t *testing.T) {
	var st unix.Statfs_t
	dir := t.TempDir()
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	size := int64(st.Bavail)*st.Bsize + 64<<30
	t.Setenv(BytesVariable, strconv.FormatInt(2*size, 10))
	s := openStore(t, dir)
	img := imageOf(t, "amd64", rawLayer(t, sparseFile(t, size)))
	_, err := s.Load(ctx, LoadOptions{Path: dockerArchive(t, map[string]v1.Image{"example.com/a:1": img})})
	wantClass(t, err, errdefs.ErrUnavailable, "no space left")
	wantEmpty(t, s)
}

func TestLimitsThatAreNoNumbersAreRefused(t *testing.T) {
	for _, bad := range []string{"x", "-1", "0", "1G"} {
		t.Setenv(EntriesVariable, bad)
		s := newStore(t)
		_, err := s.Load(ctx, LoadOptions{Path: "/no/such/file"})
		wantClass(t, err, errdefs.ErrInvalidArgument, EntriesVariable, strconv.Quote(bad))
	}
}

// FuzzGuard: the guard passes every stream on whole or refuses it, and what it refuses has not been passed on beyond its limits.
func FuzzGuard(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("no archive"))
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	_ = w.WriteHeader(&tar.Header{Name: "a/b", Typeflag: tar.TypeReg, Size: 3})
	_, _ = w.Write([]byte("abc"))
	_ = w.Close()
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, raw []byte) {
		var out bytes.Buffer
		err := pass(&out, bytes.NewReader(raw), newTally(limits{bytes: 1000, entries: 3}))
		if err == nil && !bytes.Equal(out.Bytes(), raw) {
			t.Fatalf("expected %d bytes to be passed on, got %d", len(raw), out.Len())
		}
		if !bytes.HasPrefix(raw, out.Bytes()) {
			t.Fatal("expected nothing to be passed on that was not read")
		}
		tr, n, sum := tar.NewReader(&out), 0, int64(0)
		for {
			h, err := tr.Next()
			if err != nil {
				break
			}
			n, sum = n+1, sum+h.Size
		}
		if errors.Is(err, errLayerEntries) && n > 3 || errors.Is(err, errLayerBytes) && sum > 1000 {
			t.Fatalf("expected at most 3 entries and 1000 bytes to be passed on, got %d and %d", n, sum)
		}
	})
}
