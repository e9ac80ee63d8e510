package image

import (
	"archive/tar"
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	imagespec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-engine/berth/errdefs"
)

// load puts images with these names into the store and returns the ID of the first.
func load(t *testing.T, s *Store, img v1.Image, names ...string) string {
	t.Helper()
	images := map[string]v1.Image{}
	for _, n := range names {
		images[n] = img
	}
	loaded, err := s.Load(ctx, LoadOptions{Path: dockerArchive(t, images)})
	if err != nil {
		t.Fatal(err)
	}
	return loaded[0].ID
}

func TestImport(t *testing.T) {
	rootfs := tarOf(t, tar.Header{Name: "etc/motd", Typeflag: tar.TypeReg, Mode: 0o644, Size: 2}, []byte("hi"))
	file := filepath.Join(t.TempDir(), "rootfs.tar")
	write(t, file, string(rootfs))
	web := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(file))))
	defer web.Close()
	for _, source := range []string{file, "-", web.URL + "/rootfs.tar"} {
		s := newStore(t)
		id, err := s.Import(ctx, source, ImportOptions{
			Reference: "mine:1", Input: bytes.NewReader(rootfs), Message: "by hand", Platform: "linux/arm64",
			Changes: []string{`CMD ["/bin/sh"]`, "ENV A=1", "ONBUILD RUN x"},
		})
		if err != nil {
			t.Fatal(err)
		}
		img, err := s.Resolve(ctx, "mine:1")
		if err != nil || img.ID != id || img.Names[0] != "localhost/mine:1" {
			t.Fatalf("expected %s as localhost/mine:1, got %+v, %v", id, img, err)
		}
		if img.Config.Architecture != "arm64" || img.Comment != "by hand" || !slices.Equal(img.Config.Config.Cmd, []string{"/bin/sh"}) {
			t.Errorf("expected arm64, the message and the command, got %+v", img.Config)
		}
		if raw, err := os.ReadFile(filepath.Join(img.Layers[0], "etc/motd")); string(raw) != "hi" {
			t.Errorf("expected the file in the layer, got %q, %v", raw, err)
		}
		wantNoLeftovers(t, s)
	}
}

func TestImportFailuresLeaveNothing(t *testing.T) {
	rootfs := tarOf(t, tar.Header{Name: "f", Typeflag: tar.TypeReg, Size: 2000}, make([]byte, 2000))
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	for _, tt := range []struct {
		name, source string
		input        []byte
		opts         ImportOptions
		class        error
		part         string
	}{
		{"no such file", "/no/such/file", nil, ImportOptions{}, errdefs.ErrNotFound, "/no/such/file"},
		{"no such page", web.URL + "/x", nil, ImportOptions{}, errdefs.ErrNotFound, web.URL},
		{"no server", "http://127.0.0.1:1/x", nil, ImportOptions{}, errdefs.ErrUnavailable, "127.0.0.1:1"},
		{"truncated", "-", rootfs[:1000], ImportOptions{}, errdefs.ErrInvalidArgument, "truncated"},
		{"no archive", "-", []byte(strings.Repeat("x", 1024)), ImportOptions{}, errdefs.ErrInvalidArgument, "not a tar archive"},
		{"nothing", "-", []byte{}, ImportOptions{}, errdefs.ErrInvalidArgument, "empty"},
		{"a bad change", "-", rootfs, ImportOptions{Changes: []string{"RUN x"}}, errdefs.ErrInvalidArgument, "RUN"},
		{"a bad name", "-", rootfs, ImportOptions{Reference: "Bad Name"}, errdefs.ErrInvalidArgument, "Bad Name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(t)
			tt.opts.Input = bytes.NewReader(tt.input)
			_, err := s.Import(ctx, tt.source, tt.opts)
			wantClass(t, err, tt.class, tt.part)
			wantEmpty(t, s)
		})
	}
}

func TestChange(t *testing.T) {
	set := func(names ...string) map[string]struct{} {
		m := map[string]struct{}{}
		for _, n := range names {
			m[n] = struct{}{}
		}
		return m
	}
	for _, tt := range []struct {
		changes []string
		want    Config
	}{
		{[]string{`CMD ["a", "b c"]`}, Config{ImageConfig: imagespec.ImageConfig{Cmd: []string{"a", "b c"}}}},
		{[]string{`cmd echo $A`}, Config{ImageConfig: imagespec.ImageConfig{Cmd: []string{"/bin/sh", "-c", "echo $A"}}}},
		{[]string{`CMD=["a"]`, "CMD"}, Config{}},
		{[]string{`ENTRYPOINT ["/x"]`}, Config{ImageConfig: imagespec.ImageConfig{Entrypoint: []string{"/x"}}}},
		{[]string{"ENV A=1 B='x y'", "ENV A=2", "ENV C some words"}, Config{ImageConfig: imagespec.ImageConfig{Env: []string{"B=x y", "A=2", "C=some words"}}}},
		{[]string{`LABEL a="b c" d=`}, Config{ImageConfig: imagespec.ImageConfig{Labels: map[string]string{"a": "b c", "d": ""}}}},
		{[]string{"EXPOSE 80 53/UDP 8000-8010"}, Config{ImageConfig: imagespec.ImageConfig{ExposedPorts: set("80/tcp", "53/udp", "8000-8010/tcp")}}},
		{[]string{`VOLUME ["/a"]`, "VOLUME /b /c"}, Config{ImageConfig: imagespec.ImageConfig{Volumes: set("/a", "/b", "/c")}}},
		{[]string{"WORKDIR /a", "WORKDIR b"}, Config{ImageConfig: imagespec.ImageConfig{WorkingDir: "/a/b"}}},
		{[]string{"CMD [ -e x ]", "STOPSIGNAL sigrtmin+3"}, Config{ImageConfig: imagespec.ImageConfig{Cmd: []string{"/bin/sh", "-c", "[ -e x ]"}, StopSignal: "sigrtmin+3"}}},
		{[]string{"USER 1:2", "STOPSIGNAL SIGINT"}, Config{ImageConfig: imagespec.ImageConfig{User: "1:2", StopSignal: "SIGINT"}}},
		{[]string{"ONBUILD RUN x", "ONBUILD RUN y"}, Config{OnBuild: []string{"RUN x", "RUN y"}}},
	} {
		var got Config
		if err := Change(&got, tt.changes); err != nil {
			t.Errorf("%q: %v", tt.changes, err)
		} else if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%q: expected (-) and got (+):\n%s", tt.changes, d)
		}
	}
	for _, bad := range []string{"", "RUN x", "USER", "ENV", "ENV =x", "ENV A", "LABEL a='b", "EXPOSE 0", "EXPOSE 99999", "EXPOSE x", "EXPOSE 9-8", "EXPOSE 80/icmp",
		`VOLUME [""]`, "VOLUME /", "STOPSIGNAL TERM;x", "STOPSIGNAL 0", "STOPSIGNAL 65", "STOPSIGNAL RTMIN+31", "STOPSIGNAL NOPE",
		"USER a b", "USER a:b:c", "USER :b", "CMD [1]", `ENTRYPOINT ["a", {}]`, `VOLUME [1]`, "ONBUILD FROM x", "ONBUILD ONBUILD RUN x",
		"ONBUILD NOPE", "ENV A=a\x00b",
	} {
		wantClass(t, Change(&Config{}, []string{bad}), errdefs.ErrInvalidArgument)
	}
}

func FuzzChange(f *testing.F) {
	for _, s := range []string{`CMD ["a"]`, "ENV A=1 B='x y'", "EXPOSE 80/tcp", `LABEL a="b`, "VOLUME /x", "\\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if err := Change(&Config{}, []string{s}); err != nil && errdefs.Class(err) != errdefs.ErrInvalidArgument {
			t.Errorf("expected invalid argument, got %v", err)
		}
	})
}

func TestTagAndUntag(t *testing.T) {
	s := newStore(t)
	a := load(t, s, randomImage(t, 1, "amd64"), "example.com/a:1")
	b := load(t, s, randomImage(t, 1, "amd64"), "example.com/b:1")
	if id, err := s.Tag(ctx, "example.com/a:1", []string{"short", "example.com/c"}); err != nil || id != a {
		t.Fatal(id, err)
	}
	for _, n := range []string{"short", "localhost/short:latest", "example.com/c:latest"} {
		if img, err := s.Resolve(ctx, n); err != nil || img.ID != a {
			t.Errorf("expected %s to be %s, got %+v, %v", n, a, img, err)
		}
	}
	if _, err := s.Tag(ctx, b, []string{"short"}); err != nil {
		t.Fatal(err)
	}
	if img, err := s.Resolve(ctx, "short"); err != nil || img.ID != b {
		t.Errorf("expected the name to move to %s, got %+v, %v", b, img, err)
	}
	if _, err := s.Untag(ctx, "short", []string{"short"}); err != nil {
		t.Fatal(err)
	}
	_, err := s.Untag(ctx, b, []string{"short"})
	wantClass(t, err, errdefs.ErrNotFound, "short")
	if _, err := s.Untag(ctx, b, nil); err != nil {
		t.Fatal(err)
	}
	if img, err := s.Resolve(ctx, b); err != nil || !img.Dangling {
		t.Errorf("expected the image to stay without a name, got %+v, %v", img, err)
	}
	_, err = s.Tag(ctx, "nope", []string{"x"})
	wantClass(t, err, errdefs.ErrNotFound, "nope")
	for _, bad := range []string{"", "Bad", "x@sha256:" + strings.Repeat("0", 64)} {
		_, err = s.Tag(ctx, a, []string{bad})
		wantClass(t, err, errdefs.ErrInvalidArgument)
	}
}

func TestRemove(t *testing.T) {
	s := newStore(t)
	id := load(t, s, randomImage(t, 1, "amd64"), "example.com/a:1", "example.com/a:2")
	_, err := s.Remove(ctx, []string{id}, RemoveOptions{})
	wantClass(t, err, errdefs.ErrConflict, "example.com/a:1", "example.com/a:2", "--force")
	reports, err := s.Remove(ctx, []string{"example.com/a:1"}, RemoveOptions{})
	if err != nil || !slices.Equal(reports[0].Untagged, []string{"example.com/a:1"}) || len(reports[0].Deleted) != 0 {
		t.Fatalf("expected one name to go, got %+v, %v", reports, err)
	}
	refuse := func(context.Context, string) (func(), error) { return nil, errdefs.Conflict("in use by someone") }
	_, err = s.Remove(ctx, []string{"example.com/a:2"}, RemoveOptions{Guard: refuse})
	wantClass(t, err, errdefs.ErrConflict, "in use by someone")
	var guarded []string
	released := 0
	guard := func(_ context.Context, id string) (func(), error) {
		guarded = append(guarded, id)
		return func() { released++ }, nil
	}
	reports, err = s.Remove(ctx, []string{"example.com/a:2", "nope"}, RemoveOptions{Guard: guard})
	wantClass(t, err, errdefs.ErrNotFound, "nope")
	if len(reports) != 1 || !slices.Equal(reports[0].Deleted, []string{id}) || !slices.Equal(guarded, []string{id}) || released != 1 || reports[0].Freed <= 0 {
		t.Errorf("expected %s deleted under the guard, got %+v, %v, %d", id, reports, guarded, released)
	}
	wantEmpty(t, s)
	id = load(t, s, randomImage(t, 1, "amd64"), "example.com/a:1", "example.com/a:2")
	if reports, err = s.Remove(ctx, []string{id[:10]}, RemoveOptions{Force: true}); err != nil || len(reports[0].Untagged) != 2 || len(reports[0].Deleted) != 1 {
		t.Errorf("expected force to take both names and the image, got %+v, %v", reports, err)
	}
	wantEmpty(t, s)
}

// steps makes images that each continue the one before by a layer and a line of history.
func steps(t *testing.T, n int) []v1.Image {
	t.Helper()
	img := randomImage(t, 1, "amd64")
	images := []v1.Image{img}
	for range n - 1 {
		next, err := mutate.Append(img, mutate.Addendum{Layer: randomLayer(t), History: v1.History{CreatedBy: "RUN step"}})
		if err != nil {
			t.Fatal(err)
		}
		img = next
		images = append(images, img)
	}
	return images
}

func TestNamelessParentsGoWithTheirLastChild(t *testing.T) {
	s := newStore(t)
	for i, img := range steps(t, 3) {
		load(t, s, img, "example.com/step:"+string(rune('a'+i)))
	}
	for _, n := range []string{"example.com/step:a", "example.com/step:b"} {
		if _, err := s.Untag(ctx, n, []string{n}); err != nil {
			t.Fatal(err)
		}
	}
	shown, _ := s.List(ctx, ListOptions{})
	all, err := s.List(ctx, ListOptions{All: true})
	if err != nil || len(shown) != 1 || len(all) != 3 {
		t.Fatalf("expected 1 of 3 images to be listed without --all, got %d and %d, %v", len(shown), len(all), err)
	}
	if p, err := s.Parent(ctx, shown[0].ID); err != nil || p == "" || p == shown[0].ID {
		t.Errorf("expected a parent, got %q, %v", p, err)
	}
	reports, err := s.Remove(ctx, []string{"example.com/step:c"}, RemoveOptions{})
	if err != nil || len(reports[0].Deleted) != 3 {
		t.Errorf("expected the image and both parents to go, got %+v, %v", reports, err)
	}
	wantEmpty(t, s)
}

func TestPrune(t *testing.T) {
	s := newStore(t)
	keep := load(t, s, randomImage(t, 1, "amd64"), "example.com/keep:1")
	load(t, s, randomImage(t, 1, "amd64"), "example.com/drop:1")
	if _, err := s.Untag(ctx, "example.com/drop:1", nil); err != nil {
		t.Fatal(err)
	}
	if reports, err := s.Prune(ctx, PruneOptions{}); err != nil || len(reports) != 1 || reports[0].ID == keep {
		t.Errorf("expected the nameless image alone to go, got %+v, %v", reports, err)
	}
	used := func(context.Context, string) (func(), error) { return nil, errdefs.Conflict("in use") }
	if reports, err := s.Prune(ctx, PruneOptions{All: true, Guard: used}); err != nil || len(reports) != 0 {
		t.Errorf("expected what is in use to stay, got %+v, %v", reports, err)
	}
	if reports, err := s.Prune(ctx, PruneOptions{All: true}); err != nil || len(reports) != 1 {
		t.Errorf("expected all to go, got %+v, %v", reports, err)
	}
	wantEmpty(t, s)
}

func TestHistory(t *testing.T) {
	s := newStore(t)
	id := load(t, s, steps(t, 3)[2], "example.com/a:1")
	h, err := s.History(ctx, "example.com/a:1")
	if err != nil || len(h) != 3 {
		t.Fatalf("expected three steps, got %+v, %v", h, err)
	}
	if h[0].ID != id || h[0].Tags[0] != "example.com/a:1" || h[1].ID != "<missing>" || h[0].CreatedBy != "RUN step" || h[0].Size <= 0 {
		t.Errorf("expected the newest first with ID, tag, command and size, got %+v", h)
	}
	_, err = s.History(ctx, "nope")
	wantClass(t, err, errdefs.ErrNotFound, "nope")
}

func TestHistoryOfLayersAndSteps(t *testing.T) {
	img := &Image{ID: "id", Config: imagespec.Image{History: []imagespec.History{{CreatedBy: "a"}, {CreatedBy: "b", EmptyLayer: true}}}}
	var got []int64
	for _, e := range historyOf(img, []int64{10, 20}) {
		got = append(got, e.Size)
	}
	if want := []int64{20, 0, 10}; !slices.Equal(got, want) {
		t.Errorf("expected sizes %v, the layer without a step first, got %v", want, got)
	}
}

// authRegistry takes only this user's requests.
func authRegistry(t *testing.T, user, password string) string {
	t.Helper()
	inner := registry.New(registry.Logger(quietLog))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, _ := r.BasicAuth(); u != user || p != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			w.Write([]byte(`{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`))
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

func TestLoginPushPullLogout(t *testing.T) {
	host := authRegistry(t, "me", "secret")
	s := newStore(t)
	load(t, s, randomImage(t, 2, "amd64"), "example.com/a:1")
	access := func(user, password string) Access {
		return Access{TLSVerify: &insecure, Username: user, Password: password}
	}
	dest := host + "/team/a:1"

	_, err := s.LoggedIn(ctx, LoginOptions{Registry: host})
	wantClass(t, err, errdefs.ErrNotFound, host)
	_, err = s.Push(ctx, "example.com/a:1", dest, PushOptions{Access: plain})
	wantClass(t, err, errdefs.ErrPermissionDenied, host, "berth login "+host)
	err = s.Login(ctx, LoginOptions{Registry: host, Access: access("me", "wrong")})
	wantClass(t, err, errdefs.ErrPermissionDenied, host, "wrong")
	if err := s.Login(ctx, LoginOptions{Registry: "https://" + host + "/", Access: access("me", "secret")}); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(s.opts.AuthFile); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("expected the credentials in a file of mode 0600, got %v, %v", fi, err)
	}
	if user, err := s.LoggedIn(ctx, LoginOptions{Registry: host}); err != nil || user != "me" {
		t.Errorf("expected me, got %q, %v", user, err)
	}
	digestFile := filepath.Join(t.TempDir(), "digest")
	digest, err := s.Push(ctx, "example.com/a:1", dest, PushOptions{Access: plain, DigestFile: digestFile})
	if err != nil {
		t.Fatal(err)
	}
	if raw, _ := os.ReadFile(digestFile); string(raw) != digest || !strings.HasPrefix(digest, "sha256:") {
		t.Errorf("expected the digest %s in the file, got %q", digest, raw)
	}
	other := newStore(t)
	if ids, err := other.Pull(ctx, dest, PullOptions{Access: access("me", "secret")}); err != nil || len(ids) != 1 {
		t.Errorf("expected a pull with --creds to work, got %v, %v", ids, err)
	}
	if img, err := other.Resolve(ctx, dest); err != nil || img.Digest != digest {
		t.Errorf("expected the digest %s, got %+v, %v", digest, img, err)
	}
	if err := s.Logout(ctx, LogoutOptions{Registry: host}); err != nil {
		t.Fatal(err)
	}
	wantClass(t, s.Logout(ctx, LogoutOptions{Registry: host}), errdefs.ErrNotFound, host)
	_, err = s.Pull(ctx, dest, PullOptions{Access: plain, Policy: PullAlways})
	wantClass(t, err, errdefs.ErrPermissionDenied)
	if err := s.Login(ctx, LoginOptions{Registry: host, Access: access("me", "secret")}); err != nil {
		t.Fatal(err)
	}
	if err := s.Logout(ctx, LogoutOptions{All: true}); err != nil {
		t.Fatal(err)
	}
	_, err = s.LoggedIn(ctx, LoginOptions{Registry: host})
	wantClass(t, err, errdefs.ErrNotFound)
}

func TestDockersCredentialsAreUsedToo(t *testing.T) {
	host := authRegistry(t, "me", "secret")
	home := t.TempDir()
	t.Setenv("DOCKER_CONFIG", home)
	write(t, filepath.Join(home, "config.json"), `{"auths":{"`+host+`":{"auth":"bWU6c2VjcmV0"}}}`)
	s := newStore(t)
	s.opts.AuthFile = ""
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	_, err := s.Pull(ctx, host+"/nope:1", PullOptions{Access: plain})
	wantClass(t, err, errdefs.ErrNotFound) // it got past the door
	wantClass(t, s.Logout(ctx, LogoutOptions{Registry: host}), errdefs.ErrConflict, "docker logout")
}

func TestLoginFailures(t *testing.T) {
	s := newStore(t)
	for _, registry := range []string{"a b", "user@host", "/x"} {
		wantClass(t, s.Login(ctx, LoginOptions{Registry: registry, Access: Access{Username: "u", Password: "p"}}), errdefs.ErrInvalidArgument)
	}
	wantClass(t, s.Login(ctx, LoginOptions{Registry: "example.com"}), errdefs.ErrInvalidArgument, "user name")
	wantClass(t, s.Login(ctx, LoginOptions{Registry: "127.0.0.1:1", Access: Access{TLSVerify: &insecure, Username: "u", Password: "p"}}), errdefs.ErrUnavailable, "127.0.0.1:1")
	if _, err := os.Stat(s.opts.AuthFile); !os.IsNotExist(err) {
		t.Errorf("expected a failed login to write nothing, got %v", err)
	}
}

func TestPushDestinationsAndFormats(t *testing.T) {
	reg, s := newRegistry(t), newStore(t)
	name := reg.push(t, "a:1", randomImage(t, 1, "amd64"))
	pullPlain(t, s, name)
	dir := t.TempDir()
	for _, tt := range []struct {
		dest string
		opts PushOptions
	}{
		{"", PushOptions{}}, {reg.host + "/b:oci", PushOptions{Format: "oci", Compression: "zstd"}},
		{reg.host + "/b:docker", PushOptions{Format: "v2s2"}}, {"docker://" + reg.host + "/b", PushOptions{}},
		{"docker-archive:" + dir + "/a.tar:example.com/a:1", PushOptions{}}, {"oci-archive:" + dir + "/b.tar", PushOptions{}},
		{"oci:" + dir + "/oci:1", PushOptions{}}, {"dir:" + dir + "/dir", PushOptions{}},
	} {
		tt.opts.Access = plain
		if digest, err := s.Push(ctx, name, tt.dest, tt.opts); err != nil || !strings.HasPrefix(digest, "sha256:") {
			t.Errorf("%s: expected a digest, got %q, %v", tt.dest, digest, err)
		}
	}
	for _, ref := range []string{"docker-archive:" + dir + "/a.tar", "oci-archive:" + dir + "/b.tar", "oci:" + dir + "/oci", "dir:" + dir + "/dir"} {
		if ids, err := newStore(t).Pull(ctx, ref, PullOptions{}); err != nil || len(ids) != 1 {
			t.Errorf("%s: expected one image, got %v, %v", ref, ids, err)
		}
	}
	_, err := s.Push(ctx, name, reg.host+"/b", PushOptions{Access: plain, Format: "zip"})
	wantClass(t, err, errdefs.ErrInvalidArgument, "zip")
	_, err = s.Push(ctx, name, reg.host+"/b", PushOptions{Access: plain, Compression: "rar"})
	wantClass(t, err, errdefs.ErrInvalidArgument, "rar")
	_, err = s.Push(ctx, name, "127.0.0.1:1/b", PushOptions{Access: plain})
	wantClass(t, err, errdefs.ErrUnavailable, "127.0.0.1:1")
	_, err = s.Push(ctx, "nope", "", PushOptions{})
	wantClass(t, err, errdefs.ErrNotFound, "nope")
	if _, err := s.Tag(ctx, name, []string{"mine"}); err != nil {
		t.Fatal(err)
	}
	_, err = s.Push(ctx, "mine", "", PushOptions{})
	wantClass(t, err, errdefs.ErrInvalidArgument, "no registry")
}
