package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/match"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/berth-engine/berth/errdefs"
)

// dockerArchive writes images with these tags as docker save does.
func dockerArchive(t *testing.T, images map[string]v1.Image) string {
	t.Helper()
	tagged := map[name.Tag]v1.Image{}
	for n, img := range images {
		tag, err := name.NewTag(n)
		if err != nil {
			t.Fatal(err)
		}
		tagged[tag] = img
	}
	path := filepath.Join(t.TempDir(), "images.tar")
	if err := tarball.MultiWriteToFile(path, tagged); err != nil {
		t.Fatal(err)
	}
	return path
}

// ociLayout writes images with these annotations of their index.
func ociLayout(t *testing.T, images map[string]v1.Image) string {
	t.Helper()
	dir := t.TempDir()
	p, err := layout.Write(dir, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	for n, img := range images {
		opt := layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": n})
		if err := p.ReplaceImage(img, match.Name(n), opt); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// tarDir packs a directory.
func tarDir(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dir.tar")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := tar.NewWriter(f)
	if err := w.AddFS(os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func names(loaded []Loaded) []string {
	var all []string
	for _, l := range loaded {
		all = append(all, l.Names...)
	}
	slices.Sort(all)
	return all
}

func TestLoadTakesAllImagesOfAllFormats(t *testing.T) {
	a, b := randomImage(t, 2, "amd64"), randomImage(t, 1, "arm64")
	images := map[string]v1.Image{"example.com/a:1": a, "example.com/b:2": b, "example.com/b:3": b}
	docker, oci := dockerArchive(t, images), ociLayout(t, images)
	want := []string{"example.com/a:1", "example.com/b:2", "example.com/b:3"}
	for _, tt := range []struct{ format, path string }{{"docker-archive", docker}, {"oci", oci}, {"oci-archive", tarDir(t, oci)}} {
		t.Run(tt.format, func(t *testing.T) {
			s := newStore(t)
			loaded, err := s.Load(ctx, LoadOptions{Path: tt.path})
			if err != nil || !slices.Equal(names(loaded), want) || len(loaded) != 2 {
				t.Fatalf("expected two images named %v, got %+v, %v", want, loaded, err)
			}
			id, _ := b.ConfigName() // it is for another machine, which an archive may be
			for _, n := range want[1:] {
				if img, err := s.Resolve(ctx, n); err != nil || img.ID != id.Hex || !slices.Equal(img.Names, want[1:]) && !slices.Equal(img.Names, []string{want[2], want[1]}) {
					t.Errorf("expected %s to be %s with both names, got %+v, %v", n, id.Hex, img, err)
				}
			}
			wantNoLeftovers(t, s)
		})
	}
}

func TestPullTakesOneImageOfAnArchive(t *testing.T) {
	a, b := randomImage(t, 1, "amd64"), randomImage(t, 1, "amd64")
	images := map[string]v1.Image{"example.com/a:1": a, "docker.io/library/b:2": b, "example.com/b:3": b}
	docker, oci := dockerArchive(t, images), ociLayout(t, images)
	id, _ := b.ConfigName()
	for _, ref := range []string{"docker-archive:" + docker + ":b:2", "oci:" + oci + ":docker.io/library/b:2", "oci-archive:" + tarDir(t, oci) + ":b:2"} {
		s := newStore(t)
		ids, err := s.Pull(ctx, ref, PullOptions{})
		if err != nil || !slices.Equal(ids, []string{id.Hex}) {
			t.Fatalf("%s: expected %s, got %v, %v", ref, id.Hex, ids, err)
		}
		if img, err := s.Resolve(ctx, id.Hex); err != nil || !slices.Equal(img.Names, []string{"docker.io/library/b:2"}) {
			t.Errorf("%s: expected that name alone, got %+v, %v", ref, img, err)
		}
	}
	_, err := newStore(t).Pull(ctx, "docker-archive:"+docker+":nope:1", PullOptions{})
	wantClass(t, err, errdefs.ErrNotFound, "nope:1")
}

func TestProgressIsLinesOffATerminal(t *testing.T) {
	reg, s := newRegistry(t), newStore(t)
	name := reg.push(t, "app:v1", randomImage(t, 1, "amd64"))
	var out bytes.Buffer
	if _, err := s.Pull(ctx, name, PullOptions{Access: plain, Progress: &out}); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); !strings.HasPrefix(text, "Pulling "+name+"\n") || !strings.Contains(text, "\nCopying blob sha256:") || strings.ContainsAny(text, "\r\x1b") {
		t.Errorf("expected lines, got %q", text)
	}
}

func TestLoadTakesStreamsCompressedOrNot(t *testing.T) {
	img := randomImage(t, 1, "amd64")
	raw, err := os.ReadFile(dockerArchive(t, map[string]v1.Image{"example.com/a:1": img}))
	if err != nil {
		t.Fatal(err)
	}
	packers := map[string]func(io.Writer) io.WriteCloser{
		"gzip": func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		"xz":   func(w io.Writer) io.WriteCloser { z, _ := xz.NewWriter(w); return z },
		"zstd": func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z },
	}
	streams := map[string][]byte{"plain": raw}
	for n, pack := range packers {
		var b bytes.Buffer
		w := pack(&b)
		w.Write(raw)
		w.Close()
		streams[n] = b.Bytes()
	}
	for n, stream := range streams {
		for _, file := range []bool{false, true} {
			s := newStore(t)
			opts := LoadOptions{Input: bytes.NewReader(stream)}
			if file {
				opts = LoadOptions{Path: filepath.Join(t.TempDir(), "a")}
				write(t, opts.Path, string(stream))
			}
			if loaded, err := s.Load(ctx, opts); err != nil || !slices.Equal(names(loaded), []string{"example.com/a:1"}) {
				t.Errorf("%s, from a file %v: expected example.com/a:1, got %v, %v", n, file, loaded, err)
			}
		}
	}
}

func TestLoadFailuresAreClearAndLeaveNothing(t *testing.T) {
	a, b := randomImage(t, 1, "amd64"), randomImage(t, 2, "amd64")
	path := dockerArchive(t, map[string]v1.Image{"example.com/a:1": a})
	raw, _ := os.ReadFile(path)
	rootfs := tarOf(t, tar.Header{Name: "etc/passwd", Typeflag: tar.TypeReg, Size: 4}, []byte("root"))
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(raw)
	z.Close()
	broken := ociLayout(t, map[string]v1.Image{"example.com/a:1": a, "example.com/b:1": b})
	if err := os.WriteFile(filepath.Join(broken, "blobs/sha256", strings.TrimPrefix(layersOf(t, b)[1], "sha256:")), []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	missing := ociLayout(t, map[string]v1.Image{"example.com/b:1": b})
	if err := os.Remove(filepath.Join(missing, "blobs/sha256", strings.TrimPrefix(layersOf(t, b)[0], "sha256:"))); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		opts  LoadOptions
		class error
		part  string
	}{
		{"no such file", LoadOptions{Path: "/no/such/file"}, errdefs.ErrNotFound, "/no/such/file"},
		{"nothing", LoadOptions{Input: strings.NewReader("")}, errdefs.ErrInvalidArgument, "not an image archive"},
		{"no archive", LoadOptions{Input: strings.NewReader(strings.Repeat("hello ", 1000))}, errdefs.ErrInvalidArgument, "not an image archive"},
		{"a root file system", LoadOptions{Input: bytes.NewReader(rootfs)}, errdefs.ErrInvalidArgument, "berth import"},
		{"truncated", LoadOptions{Input: bytes.NewReader(raw[:len(raw)/2])}, errdefs.ErrInvalidArgument, "truncated"},
		{"truncated gzip", LoadOptions{Input: bytes.NewReader(packed.Bytes()[:packed.Len()/2])}, errdefs.ErrInvalidArgument, "truncated"},
		{"an empty directory", LoadOptions{Path: t.TempDir()}, errdefs.ErrInvalidArgument, "OCI image layout"},
		{"a blob of another digest", LoadOptions{Path: broken}, errdefs.ErrInvalidArgument, "loading"},
		{"the same in an archive", LoadOptions{Path: tarDir(t, broken)}, errdefs.ErrInvalidArgument, "loading"},
		{"a blob is missing", LoadOptions{Path: missing}, errdefs.ErrNotFound, "loading"},
		{"another platform", LoadOptions{Path: path, Platform: "linux/s390x"}, errdefs.ErrInvalidArgument, "linux/amd64"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(t)
			_, err := s.Load(ctx, tt.opts)
			wantClass(t, err, tt.class, tt.part)
			wantEmpty(t, s)
		})
	}
}

// Entries of an OCI archive that are not of the layout, or would leave the directory, are not unpacked.
func TestArchiveCannotWriteElsewhere(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []tar.Header{
		{Name: "oci-layout", Typeflag: tar.TypeReg, Mode: 0o600},
		{Name: "blobs", Typeflag: tar.TypeSymlink, Linkname: filepath.Dir(outside)},
		{Name: "blobs/sha256/../../../outside", Typeflag: tar.TypeReg},
		{Name: "../outside", Typeflag: tar.TypeReg},
		{Name: outside, Typeflag: tar.TypeReg},
		{Name: "blobs/sha256/fifo", Typeflag: tar.TypeFifo},
		{Name: "blobs/sha256/abc", Typeflag: tar.TypeReg},
	} {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	dir := filepath.Join(t.TempDir(), "layout")
	if err := unpackLayout(&b, dir); err != nil {
		t.Fatal(err)
	}
	var got []string
	filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if !d.IsDir() {
			rel, _ := filepath.Rel(dir, p)
			got = append(got, rel)
		}
		return err
	})
	if want := []string{"blobs/sha256/abc", "oci-layout"}; !slices.Equal(got, want) {
		t.Errorf("expected %v, got %v", want, got)
	}
	if _, err := os.Lstat(outside); !os.IsNotExist(err) {
		t.Errorf("expected nothing at %s, got %v", outside, err)
	}
}

// A layer whose entries climb out of it, by name or by link, does not touch the host (SECURITY row 5).
func TestLayerCannotWriteElsewhere(t *testing.T) {
	outside := t.TempDir()
	link := tarLayer(t, tar.Header{Name: "dir", Typeflag: tar.TypeSymlink, Linkname: outside}, nil)
	for n, l := range map[string][]v1.Layer{
		"dots":      {tarLayer(t, tar.Header{Name: "../../../../../../../../../../.." + outside + "/x", Typeflag: tar.TypeReg, Mode: 0o644, Size: 1}, []byte("x"))},
		"link":      {link, tarLayer(t, tar.Header{Name: "dir/x", Typeflag: tar.TypeReg, Mode: 0o644, Size: 1}, []byte("x"))},
		"hard link": {tarLayer(t, tar.Header{Name: "x", Typeflag: tar.TypeLink, Linkname: "../../../../../../../../../../../etc/passwd"}, nil)},
	} {
		s := newStore(t)
		path := dockerArchive(t, map[string]v1.Image{"example.com/evil:1": imageOf(t, "amd64", l...)})
		loaded, err := s.Load(ctx, LoadOptions{Path: path})
		if entries, _ := os.ReadDir(outside); len(entries) > 0 {
			t.Fatalf("%s: expected nothing outside the layer, got %v (loaded %v, %v)", n, entries, loaded, err)
		}
		if err != nil {
			wantClass(t, err, errdefs.ErrInvalidArgument)
			wantEmpty(t, s)
			continue
		}
		img, err := s.Resolve(ctx, "example.com/evil:1")
		if err != nil {
			t.Fatal(err)
		}
		var host, inside os.FileInfo
		if host, err = os.Stat("/etc/passwd"); err != nil {
			t.Fatal(err)
		}
		if inside, err = os.Stat(filepath.Join(img.Layers[0], "x")); err == nil && os.SameFile(host, inside) {
			t.Errorf("%s: expected no link to a file of the host", n)
		}
	}
}

func TestSaveAndLoadRoundTrip(t *testing.T) {
	from := newStore(t)
	img := randomImage(t, 2, "amd64")
	if _, err := from.Load(ctx, LoadOptions{Path: dockerArchive(t, map[string]v1.Image{"example.com/a:1": img, "example.com/a:2": img})}); err != nil {
		t.Fatal(err)
	}
	id, _ := img.ConfigName()
	for _, format := range []string{"", "docker-archive", "oci-archive", "oci-dir", "docker-dir"} {
		t.Run(format, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "example")
			if err := from.Save(ctx, []string{"example.com/a:1"}, SaveOptions{Format: format, Path: path}); err != nil {
				t.Fatal(err)
			}
			to := newStore(t)
			loaded, err := to.Load(ctx, LoadOptions{Path: path})
			if err != nil || len(loaded) != 1 {
				t.Fatalf("expected one image, got %+v, %v", loaded, err)
			}
			want := "example.com/a:1"
			if format == "docker-dir" {
				want = "localhost/example:latest" // this format keeps no name
			}
			got, err := to.Resolve(ctx, want)
			if err != nil || len(got.Layers) != 2 || got.Config.Config.Cmd[0] != "/bin/true" {
				t.Fatalf("expected %s with two layers, got %+v, %v", want, got, err)
			}
			if format != "oci-archive" && format != "oci-dir" && got.ID != id.Hex {
				t.Errorf("expected the same ID %s, got %s", id.Hex, got.ID)
			}
		})
	}
}

func TestPathsMayHaveColons(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a:b")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s := openStore(t, dir) // the store's own path has one too
	if _, err := s.Resolve(ctx, "hello"); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"docker-archive", "oci-archive", "oci-dir", "docker-dir"} {
		path := filepath.Join(dir, format+":x")
		if err := s.Save(ctx, []string{"hello"}, SaveOptions{Format: format, Path: path}); err != nil {
			t.Errorf("saving as %s: %v", format, err)
		}
		if loaded, err := s.Load(ctx, LoadOptions{Path: path}); err != nil || len(loaded) != 1 {
			t.Errorf("loading %s: expected one image, got %v, %v", format, loaded, err)
		}
	}
}

func TestSaveSeveralImagesAndStreams(t *testing.T) {
	from, to := newStore(t), newStore(t)
	a, b := randomImage(t, 1, "amd64"), randomImage(t, 1, "amd64")
	path := dockerArchive(t, map[string]v1.Image{"example.com/a:1": a, "example.com/a:2": a, "example.com/b:1": b})
	if _, err := from.Load(ctx, LoadOptions{Path: path}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := from.Save(ctx, []string{"example.com/a:1", "example.com/b:1", "example.com/a:2"}, SaveOptions{Output: &out}); err != nil {
		t.Fatal(err)
	}
	loaded, err := to.Load(ctx, LoadOptions{Input: &out})
	if want := []string{"example.com/a:1", "example.com/a:2", "example.com/b:1"}; err != nil || !slices.Equal(names(loaded), want) {
		t.Errorf("expected %v, got %v, %v", want, loaded, err)
	}
	wantNoLeftovers(t, from)

	target := filepath.Join(t.TempDir(), "keep")
	write(t, target, "precious")
	err = from.Save(ctx, []string{"example.com/a:1", "example.com/b:1"}, SaveOptions{Format: "oci-archive", Path: target})
	wantClass(t, err, errdefs.ErrInvalidArgument, "one image")
	err = from.Save(ctx, []string{"example.com/nope"}, SaveOptions{Path: target})
	wantClass(t, err, errdefs.ErrNotFound, "example.com/nope")
	if raw, _ := os.ReadFile(target); string(raw) != "precious" {
		t.Errorf("expected a failed save to leave the file alone, got %q", raw)
	}
	err = from.Save(ctx, []string{"example.com/a:1"}, SaveOptions{Format: "zip", Path: target})
	wantClass(t, err, errdefs.ErrInvalidArgument, "zip")
	err = from.Save(ctx, []string{"example.com/a:1"}, SaveOptions{Format: "oci-dir", Path: filepath.Dir(target)})
	wantClass(t, err, errdefs.ErrAlreadyExists, "not empty")
	if err := from.Save(ctx, []string{"example.com/a:1"}, SaveOptions{Path: target}); err != nil {
		t.Errorf("expected a file to be replaced, got %v", err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(target)); len(entries) != 1 {
		t.Errorf("expected one file, got %v", entries)
	}
}
