package image

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/image/hello"
)

func TestResolveRules(t *testing.T) {
	s := newStore(t)
	hub := load(t, s, randomImage(t, 1, "amd64"), "docker.io/library/app:latest")
	user := load(t, s, randomImage(t, 1, "amd64"), "docker.io/me/tool:1")
	quay := load(t, s, randomImage(t, 1, "amd64"), "quay.example/deep/path/thing:2")
	one := load(t, s, randomImage(t, 1, "amd64"), "one.example/same:1")
	load(t, s, randomImage(t, 1, "amd64"), "two.example/same:1")
	for ref, want := range map[string]string{
		"app": hub, "app:latest": hub, "library/app": hub, "docker.io/app": hub, "docker.io/library/app:latest": hub,
		"me/tool:1": user, "quay.example/deep/path/thing:2": quay, "path/thing:2": quay, "thing:2": quay,
		"one.example/same:1": one, quay: quay, quay[:12]: quay, quay[:7]: quay, "sha256:" + quay: quay, "sha256:" + quay[:12]: quay,
		strings.ToUpper(quay[:12]): quay,
	} {
		if img, err := s.Resolve(ctx, ref); err != nil || img.ID != want {
			t.Errorf("expected %s to mean %s, got %+v, %v", ref, want, img, err)
		}
	}
	for ref, class := range map[string]error{
		"same:1": errdefs.ErrInvalidArgument, "app:other": errdefs.ErrNotFound, "me/tool": errdefs.ErrNotFound, "hing:2": errdefs.ErrNotFound,
		"docker.io/me/tool:2": errdefs.ErrNotFound, strings.Repeat("0", 64): errdefs.ErrNotFound, "sha256:" + strings.Repeat("0", 64): errdefs.ErrNotFound,
		"": errdefs.ErrInvalidArgument, "Bad/Name": errdefs.ErrInvalidArgument, "sha256:": errdefs.ErrInvalidArgument,
	} {
		_, err := s.Resolve(ctx, ref)
		wantClass(t, err, class)
	}
	local := load(t, s, randomImage(t, 1, "amd64"), "localhost/app:latest")
	if img, err := s.Resolve(ctx, "app"); err != nil || img.ID != local {
		t.Errorf("expected localhost/app to come before docker.io's, got %+v, %v", img, err)
	}
	for ref, want := range map[string]bool{"app": true, "nope": false, "hello": false} {
		if ok, err := s.Exists(ctx, ref); err != nil || ok != want {
			t.Errorf("exists %s: expected %v, got %v, %v", ref, want, ok, err)
		}
	}
}

func TestAmbiguousIDIsAnError(t *testing.T) {
	s := newStore(t)
	seen := map[byte]bool{}
	for range 17 { // two of 17 begin alike
		id := load(t, s, randomImage(t, 1, "amd64"), "example.com/x:1")
		if seen[id[0]] {
			_, err := s.Resolve(ctx, "sha256:"+id[:1])
			wantClass(t, err, errdefs.ErrInvalidArgument, "ambiguous")
			return
		}
		seen[id[0]] = true
	}
	t.Fatal("expected two IDs with one beginning")
}

func TestImageNamedHelloComesBeforeBerthsOwn(t *testing.T) {
	s := newStore(t)
	own, err := s.Resolve(ctx, "hello")
	if err != nil {
		t.Fatal(err)
	}
	theirs := load(t, s, randomImage(t, 1, "amd64"), "docker.io/library/hello:latest")
	if img, err := s.Resolve(ctx, "hello"); err != nil || img.ID != theirs {
		t.Errorf("expected the registry's image %s, got %+v, %v", theirs, img, err)
	}
	if img, err := s.Resolve(ctx, "berth/hello"); err != nil || img.ID != own.ID {
		t.Errorf("expected Berth's own %s, got %+v, %v", own.ID, img, err)
	}
	if _, err := s.Remove(ctx, []string{"hello", "hello"}, RemoveOptions{}); err != nil {
		t.Fatalf("expected both to be removed, one after the other, got %v", err)
	}
	wantEmpty(t, s)
	_, err = s.Inspect(ctx, "hello")
	wantClass(t, err, errdefs.ErrNotFound)
}

func TestHelloForAnotherMachineIsNotFound(t *testing.T) {
	s := newStore(t)
	s.opts.Facts.Arch = "riscv64"
	_, err := s.Resolve(ctx, "hello")
	wantClass(t, err, errdefs.ErrNotFound, "hello")
	if hello.Supports("riscv64") {
		t.Error("expected no program for riscv64")
	}
}

// settle makes what the store has written old enough for answers to be kept.
func settle() { time.Sleep(settled + 5*time.Millisecond) }

func TestCacheAnswersWithoutTheStore(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	id := load(t, s, randomImage(t, 2, "amd64"), "docker.io/library/app:latest")
	settle()
	want, err := s.Resolve(ctx, "app")
	if err != nil {
		t.Fatal(err)
	}
	other := openStore(t, dir)
	got, err := other.Resolve(ctx, "app")
	if err != nil || got.ID != id || !slices.Equal(got.Layers, want.Layers) || got.Config.Config.Cmd[0] != "/bin/true" || got.Size != want.Size {
		t.Fatalf("expected %+v, got %+v, %v", want, got, err)
	}
	if other.open != nil {
		t.Error("expected an answer without opening containers/storage")
	}
}

func TestCacheSeesEveryChange(t *testing.T) {
	dir := t.TempDir()
	writer, reader := openStore(t, dir), openStore(t, dir)
	first := load(t, writer, randomImage(t, 1, "amd64"), "docker.io/library/app:latest")
	resolve := func(want string) {
		t.Helper()
		settle()
		for range 2 { // the second is from the cache
			img, err := openStore(t, dir).Resolve(ctx, "app")
			if want == "" {
				wantClass(t, err, errdefs.ErrNotFound)
			} else if err != nil || img.ID != want {
				t.Fatalf("expected %s, got %+v, %v", want, img, err)
			}
		}
	}
	resolve(first)
	second := load(t, writer, randomImage(t, 1, "amd64"), "docker.io/library/app:latest")
	resolve(second)
	// Another program, which knows nothing of the cache.
	if _, err := reader.storage(); err != nil {
		t.Fatal(err)
	}
	if err := reader.open.AddNames(first, []string{"localhost/app:latest"}); err != nil {
		t.Fatal(err)
	}
	resolve(first)
	if _, err := reader.open.DeleteImage(first, true); err != nil {
		t.Fatal(err)
	}
	resolve(second)
	// The configuration gives the name another meaning.
	third := load(t, writer, randomImage(t, 1, "amd64"), "example.com/else:latest")
	write(t, filepath.Join(dir, "registries.conf"), "[aliases]\n\"app\"=\"example.com/else\"\n")
	sysregistriesInvalidate()
	resolve(third)
	if err := os.Mkdir(filepath.Join(dir, "registries.conf.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "registries.conf.d", "x.conf"), "[aliases]\n\"app\"=\"docker.io/library/app\"\n")
	sysregistriesInvalidate()
	resolve(second)
	if _, err := writer.Remove(ctx, []string{second}, RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	resolve("")
}

func TestCacheSurvivesDamage(t *testing.T) {
	s := newStore(t)
	id := load(t, s, randomImage(t, 1, "amd64"), "example.com/a:1")
	settle()
	for _, damage := range []string{"", "{", "null", `{"Ref":"example.com/a:1"}`, `{"Ref":"other","Stamps":[{}],"Image":{}}`} {
		if _, err := s.Resolve(ctx, "example.com/a:1"); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(s.cachePath("example.com/a:1")); err != nil {
			t.Fatalf("expected an entry, got %v", err)
		}
		write(t, s.cachePath("example.com/a:1"), damage)
		if img, err := s.Resolve(ctx, "example.com/a:1"); err != nil || img.ID != id {
			t.Errorf("%q: expected %s, got %+v, %v", damage, id, img, err)
		}
	}
}

func TestParsePlatform(t *testing.T) {
	for in, want := range map[string]Platform{
		"linux/amd64": {"linux", "amd64", ""}, "arm64": {"linux", "arm64", ""}, "linux/arm/v7": {"linux", "arm", "v7"},
		"Linux/x86_64": {"linux", "amd64", ""}, "linux/aarch64": {"linux", "arm64", ""}, "linux/arm64/v8": {"linux", "arm64", ""},
		"linux/armhf": {"linux", "arm", "v7"}, "windows/amd64": {"windows", "amd64", ""},
	} {
		if got, err := ParsePlatform(in); err != nil || got != want {
			t.Errorf("%s: expected %v, got %v, %v", in, want, got, err)
		}
	}
	for _, bad := range []string{"", "/", "linux/", "/amd64", "a/b/c/d", "linux//v7"} {
		_, err := ParsePlatform(bad)
		wantClass(t, err, errdefs.ErrInvalidArgument)
	}
}

func TestNormalName(t *testing.T) {
	for in, want := range map[string]string{
		"app": "localhost/app:latest", "me/app:1": "localhost/me/app:1", "docker.io/app": "docker.io/library/app:latest",
		"host:5000/app": "host:5000/app:latest", "localhost/app": "localhost/app:latest",
	} {
		if got, err := NormalName(in); err != nil || got != want {
			t.Errorf("%s: expected %s, got %s, %v", in, want, got, err)
		}
	}
}

func TestListFilters(t *testing.T) {
	s := newStore(t)
	a := load(t, s, randomImage(t, 1, "amd64"), "docker.io/library/a:1")
	b := load(t, s, randomImage(t, 1, "amd64"), "quay.example/team/b:2")
	if _, err := s.Untag(ctx, b, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Import(ctx, "-", ImportOptions{Reference: "new:1", Input: strings.NewReader(string(tarOf(t, tarFile("f"), nil)))}); err != nil {
		t.Fatal(err)
	}
	img, _ := s.Resolve(ctx, a)
	for _, tt := range []struct {
		filters map[string][]string
		want    []string
	}{
		{nil, []string{"a", "b", "new"}},
		{map[string][]string{"reference": {"a"}}, []string{"a"}},
		{map[string][]string{"reference": {"a:1"}}, []string{"a"}},
		{map[string][]string{"reference": {"library/*"}}, []string{"a"}},
		{map[string][]string{"reference": {"*:1"}}, []string{"a", "new"}},
		{map[string][]string{"reference": {"a", "new"}}, []string{"a", "new"}},
		{map[string][]string{"reference": {"docker.io/library/a:2"}}, nil},
		{map[string][]string{"id": {a[:8]}}, []string{"a"}},
		{map[string][]string{"digest": {img.Digest}}, []string{"a"}},
		{map[string][]string{"label": {"kind"}}, []string{"a", "b"}},
		{map[string][]string{"label": {"kind=random"}}, []string{"a", "b"}},
		{map[string][]string{"label": {"kind", "other"}}, nil},
		{map[string][]string{"label!": {"kind"}}, []string{"new"}},
		{map[string][]string{"dangling": {"true"}}, []string{"b"}},
		{map[string][]string{"dangling": {"false"}}, []string{"a", "new"}},
		{map[string][]string{"readonly": {"true"}}, nil},
		{map[string][]string{"intermediate": {"false"}}, []string{"a", "b", "new"}},
		{map[string][]string{"since": {"a:1"}}, []string{"new"}},
		{map[string][]string{"before": {"new:1"}}, []string{"a", "b"}},
		{map[string][]string{"until": {"1h"}}, []string{"a", "b"}},
		{map[string][]string{"until": {"2100-01-01"}, "label": {"kind"}, "dangling": {"false"}}, []string{"a"}},
	} {
		list, err := s.List(ctx, ListOptions{Filters: tt.filters})
		if err != nil {
			t.Fatalf("%v: %v", tt.filters, err)
		}
		var got []string
		for _, i := range list {
			switch {
			case i.ID == a:
				got = append(got, "a")
			case i.ID == b:
				got = append(got, "b")
			default:
				got = append(got, "new")
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%v: expected %v, got %v", tt.filters, tt.want, got)
		}
	}
	for key, value := range map[string]string{"colour": "red", "dangling": "perhaps", "until": "yesterday-ish", "reference": "[", "since": "", "before": "Bad"} {
		_, err := s.List(ctx, ListOptions{Filters: map[string][]string{key: {value}}})
		wantClass(t, err, errdefs.ErrInvalidArgument)
	}
	_, err := s.List(ctx, ListOptions{Filters: map[string][]string{"since": {"nope"}}})
	wantClass(t, err, errdefs.ErrNotFound, "nope")
}

func FuzzResolve(f *testing.F) {
	for _, s := range []string{"a", "a:b", "a@sha256:" + strings.Repeat("0", 64), "sha256:ab", "host:1/x/y", "docker://a", "oci:x", "[", "\x00"} {
		f.Add(s)
	}
	dir := f.TempDir()
	s := Open(Options{Root: filepath.Join(dir, "s"), RunRoot: filepath.Join(dir, "r"), RegistriesConf: "/dev/null", RegistriesConfDir: "/dev/null", ShortNameAliases: filepath.Join(dir, "a")})
	if _, err := s.storage(); err != nil {
		f.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "s"), 0o700); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, ref string) {
		_, err := s.Inspect(ctx, ref)
		if !errors.Is(err, errdefs.ErrNotFound) && !errors.Is(err, errdefs.ErrInvalidArgument) {
			t.Errorf("%q: expected not found or invalid argument, got %v", ref, err)
		}
		splitTransport(ref)
		_, _ = NormalName(ref)
		_, _ = ParsePlatform(ref)
		_, _ = referenceFilter(ref)
		_, _ = parseTime(ref, time.Unix(0, 0))
	})
}

func FuzzArchive(f *testing.F) {
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		_, _ = (&operation{limits: limits{MaxLayerBytes, MaxLayerEntries}}).archiveKind(strings.NewReader(string(raw)))
		dir := filepath.Join(t.TempDir(), "x")
		_ = unpackLayout(strings.NewReader(string(raw)), dir)
	})
}
