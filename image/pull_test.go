package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

var ctx = context.Background()

// wantEmpty fails the test unless the store lists nothing and keeps no layer and no temporary file.
func wantEmpty(t *testing.T, s *Store) {
	t.Helper()
	list, err := s.List(ctx, ListOptions{All: true})
	if err != nil || len(list) != 0 {
		t.Errorf("expected no image, got %v, %v", list, err)
	}
	st, err := s.storage()
	if err != nil {
		t.Fatal(err)
	}
	if layers, err := st.Layers(); err != nil || len(layers) != 0 {
		t.Errorf("expected no layer, got %d, %v", len(layers), err)
	}
	wantNoLeftovers(t, s)
}

// wantNoLeftovers looks for directories of layers that are not recorded, and for temporary files.
func wantNoLeftovers(t *testing.T, s *Store) {
	t.Helper()
	st, err := s.storage()
	if err != nil {
		t.Fatal(err)
	}
	layers, err := st.Layers()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"l": true, "staging": true, "tempdirs": true, ".has-mount-program": true}
	for _, l := range layers {
		known[l.ID] = true
	}
	for _, dir := range []string{"overlay", "berth-tmp"} {
		entries, err := os.ReadDir(filepath.Join(s.opts.Root, dir))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		for _, e := range entries {
			if !known[e.Name()] {
				t.Errorf("expected nothing left in %s, got %s", dir, e.Name())
			}
		}
	}
	images, err := st.Images()
	if err != nil {
		t.Fatal(err)
	}
	for _, img := range images {
		known[img.ID] = true
	}
	for _, dir := range []string{"overlay-images", "overlay-layers"} {
		entries, _ := os.ReadDir(filepath.Join(s.opts.Root, dir))
		for _, e := range entries {
			if id, _, _ := strings.Cut(e.Name(), "."); isFullID(id) && !known[id] {
				t.Errorf("expected nothing left in %s, got %s", dir, e.Name())
			}
		}
	}
	for _, dir := range []string{"overlay/staging", "overlay/tempdirs"} {
		if entries, _ := os.ReadDir(filepath.Join(s.opts.Root, dir)); len(entries) > 0 {
			t.Errorf("expected nothing left in %s, got %v", dir, entries)
		}
	}
}

func pullPlain(t *testing.T, s *Store, ref string) string {
	t.Helper()
	ids, err := s.Pull(ctx, ref, PullOptions{Access: plain, Policy: PullAlways})
	if err != nil {
		t.Fatal(err)
	}
	return ids[0]
}

func TestPullPolicies(t *testing.T) {
	reg, s := newRegistry(t), newStore(t)
	name := reg.push(t, "app:v1", randomImage(t, 1, "amd64"))
	pull := func(p PullPolicy) (string, error) {
		ids, err := s.Pull(ctx, name, PullOptions{Access: plain, Policy: p})
		return strings.Join(ids, ","), err
	}
	_, err := pull(PullNever)
	wantClass(t, err, errdefs.ErrNotFound, name, "never")
	first, err := pull(PullMissing)
	if err != nil {
		t.Fatal(err)
	}
	reg.push(t, "app:v1", randomImage(t, 1, "amd64"))
	reg.forget()
	if id, err := pull(PullMissing); err != nil || id != first || len(reg.seen()) != 0 {
		t.Errorf("missing: expected %s and no request, got %s, %v, %v", first, id, err, reg.seen())
	}
	newer, err := pull(PullNewer)
	if err != nil || newer == first {
		t.Errorf("newer: expected another image than %s, got %v", first, err)
	}
	reg.forget()
	if id, err := pull(PullNewer); err != nil || id != newer || strings.Contains(strings.Join(reg.seen(), " "), "/blobs/") {
		t.Errorf("newer: expected %s and no blob, got %s, %v, %v", newer, id, err, reg.seen())
	}
	if id, err := pull(PullAlways); err != nil || id != newer {
		t.Errorf("always: expected %s, got %s, %v", newer, id, err)
	}
	_, err = pull("sometimes")
	wantClass(t, err, errdefs.ErrInvalidArgument, "sometimes")
	// The registry goes away: newer keeps what there is.
	reg.intercept = func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusBadGateway); return true }
	if id, err := pull(PullNewer); err != nil || id != newer {
		t.Errorf("newer without registry: expected %s, got %s, %v", newer, id, err)
	}
}

func TestPullFailuresAreClearAndLeaveNothing(t *testing.T) {
	img := randomImage(t, 2, "amd64")
	layers, _ := img.Layers()
	digest, _ := layers[1].Digest()
	blob := "/blobs/" + digest.String()
	answer := func(path string, status int, body []byte, length int) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, path) {
				return false
			}
			if length > 0 {
				w.Header().Set("Content-Length", fmt.Sprint(length))
			}
			w.WriteHeader(status)
			w.Write(body)
			return true
		}
	}
	size, _ := layers[1].Size()
	for _, tt := range []struct {
		name      string
		ref       string
		intercept func(http.ResponseWriter, *http.Request) bool
		class     error
		part      string
	}{
		{"no such tag", "app:nope", nil, errdefs.ErrNotFound, "app:nope"},
		{"no such repository", "nope/nope:v1", nil, errdefs.ErrNotFound, "nope/nope:v1"},
		{"a blob of another digest", "app:v1", answer(blob, 200, bytes.Repeat([]byte("x"), int(size)), 0), errdefs.ErrInvalidArgument, "sha256"},
		{"a blob cut short", "app:v1", answer(blob, 200, []byte("x"), int(size)), errdefs.ErrUnavailable, "early"},
		{"a blob is gone", "app:v1", answer(blob, 404, nil, 0), errdefs.ErrNotFound, "app:v1"},
		{"the registry is broken", "app:v1", answer("/manifests/v1", 503, nil, 0), errdefs.ErrUnavailable, "503"},
		{"the registry wants credentials", "app:v1", answer("/manifests/v1", 401, nil, 0), errdefs.ErrPermissionDenied, "berth login"},
		{"the registry forbids", "app:v1", answer("/manifests/v1", 403, []byte(`{"errors":[{"code":"DENIED","message":"no"}]}`), 0), errdefs.ErrPermissionDenied, "denies"},
		{"a manifest that is none", "app:v1", answer("/manifests/v1", 200, []byte("<html>"), 0), errdefs.ErrInvalidArgument, "app:v1"},
		{"a manifest of another digest", "app@sha256:" + strings.Repeat("0", 64), answer("", 200, []byte(`{"schemaVersion":2}`), 0), errdefs.ErrInvalidArgument, "digest"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reg, s := newRegistry(t), newStore(t)
			reg.push(t, "app:v1", img)
			reg.intercept = tt.intercept
			_, err := s.Pull(ctx, reg.host+"/"+tt.ref, PullOptions{Access: plain})
			wantClass(t, err, tt.class, tt.part, reg.host)
			wantEmpty(t, s)
		})
	}
}

func TestPullUnreachableRegistryNamesIt(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := l.Addr().String()
	l.Close()
	s := newStore(t)
	_, err = s.Pull(ctx, host+"/app:v1", PullOptions{Access: plain})
	wantClass(t, err, errdefs.ErrUnavailable, host, "cannot be reached")
	_, err = s.Pull(ctx, "registry.invalid/app:v1", PullOptions{})
	wantClass(t, err, errdefs.ErrUnavailable, "registry.invalid", "does not resolve")
}

func TestPullWithoutTLSSaysWhatToDo(t *testing.T) {
	reg, s := newRegistry(t), newStore(t)
	name := reg.push(t, "app:v1", randomImage(t, 1, "amd64"))
	_, err := s.Pull(ctx, name, PullOptions{})
	wantClass(t, err, errdefs.ErrUnavailable, reg.host, "--tls-verify=false")
}

func TestPullBadReferences(t *testing.T) {
	s := newStore(t)
	for _, ref := range []string{"", "UPPER/case", "a b", "name:tag:tag", "-x", "docker://", "x@sha256:12"} {
		_, err := s.Pull(ctx, ref, PullOptions{Policy: PullAlways})
		wantClass(t, err, errdefs.ErrInvalidArgument)
	}
}

func TestPullPlatforms(t *testing.T) {
	reg := newRegistry(t)
	arm, amd := randomImage(t, 1, "arm64"), randomImage(t, 1, "amd64")
	index := func(images map[string]v1.Image) v1.ImageIndex {
		idx := v1.ImageIndex(empty.Index)
		for arch, img := range images {
			idx = mutate.AppendManifests(idx, mutate.IndexAddendum{
				Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}},
			})
		}
		return idx
	}
	single := reg.push(t, "single:arm", arm)
	both := reg.pushIndex(t, "both:v1", index(map[string]v1.Image{"arm64": arm, "amd64": amd}))
	foreign := reg.pushIndex(t, "foreign:v1", index(map[string]v1.Image{"arm64": arm}))
	pull := func(s *Store, ref, platform string) (string, error) {
		ids, err := s.Pull(ctx, ref, PullOptions{Access: plain, Platform: platform, Policy: PullMissing})
		return strings.Join(ids, ","), err
	}
	armID, _ := arm.ConfigName()
	amdID, _ := amd.ConfigName()
	s := newStore(t)
	s.opts.Facts.Arch = "amd64"
	_, err := pull(s, single, "")
	wantClass(t, err, errdefs.ErrInvalidArgument, "linux/arm64", "linux/amd64", "--platform")
	_, err = pull(s, foreign, "")
	wantClass(t, err, errdefs.ErrNotFound, "linux/arm64", "--platform")
	wantEmpty(t, s)
	if id, err := pull(s, both, ""); err != nil || id != amdID.Hex {
		t.Errorf("expected this machine's image %s, got %s, %v", amdID.Hex, id, err)
	}
	if id, err := pull(s, both, "linux/aarch64"); err != nil || id != armID.Hex {
		t.Errorf("expected the image for arm64 %s although one for amd64 is there, got %s, %v", armID.Hex, id, err)
	}
	_, err = pull(s, single, "linux/amd64")
	wantClass(t, err, errdefs.ErrInvalidArgument, "linux/arm64")
	_, err = pull(s, single, "a/b/c/d")
	wantClass(t, err, errdefs.ErrInvalidArgument, "a/b/c/d")
	_, err = s.Ensure(ctx, armID.Hex, EnsureOptions{Policy: "never"})
	wantClass(t, err, errdefs.ErrInvalidArgument, "linux/arm64")
}

func TestEnsurePullsOnceAndTells(t *testing.T) {
	reg, s := newRegistry(t), newStore(t)
	name := reg.push(t, "app:v1", randomImage(t, 1, "amd64"))
	var told []string
	opts := EnsureOptions{Access: plain, Pulled: func(_ context.Context, id, ref string) { told = append(told, id+" "+ref) }}
	first, err := s.Ensure(ctx, name, opts)
	if err != nil || len(told) != 1 || told[0] != first.ID+" "+name {
		t.Fatalf("expected one pull of %s to be told of, got %v, %v", name, told, err)
	}
	second, err := s.Ensure(ctx, name, opts)
	if err != nil || second.ID != first.ID || len(told) != 1 {
		t.Errorf("expected the same image without a pull, got %v, %v, %v", second, told, err)
	}
}

func TestPullRegistriesConf(t *testing.T) {
	reg, mirror := newRegistry(t), newRegistry(t)
	img := randomImage(t, 1, "amd64")
	id, _ := img.ConfigName()
	reg.push(t, "team/app:v1", img)
	mirror.push(t, "copy/app:v1", img)
	dir := t.TempDir()
	conf := func(text string) *Store {
		sub, err := os.MkdirTemp(dir, "")
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(sub, "registries.conf"), text)
		return openStore(t, sub)
	}
	insecureHost := fmt.Sprintf("[[registry]]\nlocation=%q\ninsecure=true\n", reg.host)
	for _, tt := range []struct{ name, conf, ref, stored string }{
		{"insecure", insecureHost, reg.host + "/team/app:v1", reg.host + "/team/app:v1"},
		{"search", fmt.Sprintf("unqualified-search-registries=[%q]\n", reg.host) + insecureHost, "team/app:v1", reg.host + "/team/app:v1"},
		{"alias", insecureHost + fmt.Sprintf("[aliases]\n\"app\"=%q\n", reg.host+"/team/app"), "app:v1", reg.host + "/team/app:v1"},
		{"mirror", fmt.Sprintf("[[registry]]\nlocation=\"example.invalid/team\"\n[[registry.mirror]]\nlocation=%q\ninsecure=true\n", mirror.host+"/copy"),
			"example.invalid/team/app:v1", "example.invalid/team/app:v1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := conf(tt.conf)
			ids, err := s.Pull(ctx, tt.ref, PullOptions{})
			if err != nil || !slices.Equal(ids, []string{id.Hex}) {
				t.Fatalf("expected %s, got %v, %v", id.Hex, ids, err)
			}
			for _, ref := range []string{tt.ref, tt.stored} {
				if got, err := s.Resolve(ctx, ref); err != nil || got.ID != id.Hex || got.Names[0] != tt.stored {
					t.Errorf("expected %s to mean %s named %s, got %+v, %v", ref, id.Hex, tt.stored, got, err)
				}
			}
		})
	}
	s := conf(fmt.Sprintf("unqualified-search-registries=[%q,%q]\nshort-name-mode=\"enforcing\"\n", reg.host, mirror.host))
	_, err := s.Pull(ctx, "team/app:v1", PullOptions{})
	wantClass(t, err, errdefs.ErrInvalidArgument, reg.host, mirror.host, "ambiguous")
	s = conf(fmt.Sprintf("unqualified-search-registries=[%q,%q]\n[[registry]]\nlocation=%q\ninsecure=true\n", mirror.host, reg.host, mirror.host) + insecureHost)
	if ids, err := s.Pull(ctx, "team/app:v1", PullOptions{}); err != nil || ids[0] != id.Hex {
		t.Errorf("expected the second registry's image, got %v, %v", ids, err)
	}
	_, err = s.Pull(ctx, "no/where:v1", PullOptions{})
	wantClass(t, err, errdefs.ErrNotFound, reg.host, mirror.host)
}

func TestBadRegistriesConfIsSaid(t *testing.T) {
	s := newStore(t)
	write(t, s.opts.RegistriesConf, "unqualified-search-registries = 7")
	_, err := s.Pull(ctx, "app", PullOptions{})
	wantClass(t, err, errdefs.ErrInvalidArgument, "registries.conf")
}

func TestPullObeysPolicyJSON(t *testing.T) {
	reg, s := newRegistry(t), newStore(t)
	name := reg.push(t, "app:v1", randomImage(t, 1, "amd64"))
	s.opts.Policy = filepath.Join(t.TempDir(), "policy.json")
	write(t, s.opts.Policy, `{"default":[{"type":"reject"}]}`)
	_, err := s.Pull(ctx, name, PullOptions{Access: plain})
	wantClass(t, err, errdefs.ErrPermissionDenied, "policy.json")
	write(t, s.opts.Policy, `{"default":`)
	_, err = s.Pull(ctx, name, PullOptions{Access: plain})
	wantClass(t, err, errdefs.ErrInvalidArgument, "policy")
	wantEmpty(t, s)
}

func TestPullByDigest(t *testing.T) {
	reg, s := newRegistry(t), newStore(t)
	img := randomImage(t, 1, "amd64")
	reg.push(t, "app:v1", img)
	digest, _ := img.Digest()
	ref := reg.host + "/app@" + digest.String()
	id := pullPlain(t, s, reg.host+"/app:v1@"+digest.String())
	for _, r := range []string{ref, reg.host + "/app:v1@" + digest.String(), digest.String()} {
		if got, err := s.Resolve(ctx, r); err != nil || got.ID != id || !slices.Equal(got.RepoDigests, []string{ref}) || len(got.Names) != 0 {
			t.Errorf("expected %s to be %s, known as %s, got %+v, %v", r, id, ref, got, err)
		}
	}
	// The digest is bound to the repository: another repository's reference is not this image.
	_, err := s.Resolve(ctx, reg.host+"/other@"+digest.String())
	wantClass(t, err, errdefs.ErrNotFound)
}

func TestPullAllTags(t *testing.T) {
	reg, s := newRegistry(t), newStore(t)
	reg.push(t, "app:a", randomImage(t, 1, "amd64"))
	reg.push(t, "app:b", randomImage(t, 1, "amd64"))
	ids, err := s.Pull(ctx, reg.host+"/app", PullOptions{Access: plain, AllTags: true})
	if err != nil || len(ids) != 2 {
		t.Fatalf("expected two images, got %v, %v", ids, err)
	}
	_, err = s.Pull(ctx, reg.host+"/app:a", PullOptions{Access: plain, AllTags: true})
	wantClass(t, err, errdefs.ErrInvalidArgument, "tag")
}

func TestPullFetchesLayersTogether(t *testing.T) {
	reg, s := newRegistry(t), newStore(t)
	img := randomImage(t, 2, "amd64")
	config, _ := img.ConfigName()
	name := reg.push(t, "app:v1", img)
	var mu sync.Mutex
	under, met := 0, make(chan struct{})
	reg.intercept = func(_ http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/blobs/") || strings.HasSuffix(r.URL.Path, config.String()) {
			return false
		}
		mu.Lock()
		if under++; under == 2 {
			close(met)
		}
		mu.Unlock()
		select {
		case <-met:
		case <-time.After(5 * time.Second):
			t.Error("expected the second layer to be asked for while the first is under way")
		}
		return false
	}
	pullPlain(t, s, name)
}

func TestPullSharesLayers(t *testing.T) {
	reg, s := newRegistry(t), newStore(t)
	base := randomImage(t, 2, "amd64")
	top, err := mutate.AppendLayers(base, randomLayer(t))
	if err != nil {
		t.Fatal(err)
	}
	a := pullPlain(t, s, reg.push(t, "base:v1", base))
	name := reg.push(t, "top:v1", top)
	reg.forget()
	b := pullPlain(t, s, name)
	layers, _ := base.Layers()
	shared, _ := layers[0].Digest()
	if strings.Contains(strings.Join(reg.seen(), " "), shared.String()) {
		t.Errorf("expected the shared layer %s not to be asked for again, got %v", shared, reg.seen())
	}
	imgA, _ := s.Resolve(ctx, a)
	imgB, err := s.Resolve(ctx, b)
	if err != nil || !slices.Equal(imgA.Layers, imgB.Layers[:2]) {
		t.Errorf("expected %v to begin with %v, %v", imgB.Layers, imgA.Layers, err)
	}
	u, err := s.DiskUsage(ctx)
	if err != nil || u.Layers != 3 || len(u.Images) != 2 || u.Images[0].SharedSize != imgA.Size {
		t.Errorf("expected 3 layers and %d shared bytes, got %+v, %v", imgA.Size, u, err)
	}
}

func TestPullsOfOneImageAtATime(t *testing.T) {
	reg := newRegistry(t)
	dir := t.TempDir()
	name := reg.push(t, "app:v1", randomImage(t, 4, "amd64"))
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			if _, err := openStore(t, dir).Pull(ctx, name, PullOptions{Access: plain, Policy: PullAlways}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s := openStore(t, dir)
	if list, err := s.List(ctx, ListOptions{}); err != nil || len(list) != 1 {
		t.Errorf("expected one image, got %v, %v", list, err)
	}
	wantNoLeftovers(t, s)
}

func TestPullCancelledLeavesNothing(t *testing.T) {
	reg, s := newRegistry(t), newStore(t)
	img := randomImage(t, 2, "amd64")
	name := reg.push(t, "app:v1", img)
	stop, cancel := context.WithCancel(ctx)
	defer cancel()
	reg.stall(t, img, func() { cancel() })
	_, err := s.Pull(stop, name, PullOptions{Access: plain})
	wantClass(t, err, errdefs.ErrUnavailable, "interrupted")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("expected context.Canceled below, got %v", err)
	}
	wantEmpty(t, s)
}

func TestFullDiskLeavesNothing(t *testing.T) {
	reg := newRegistry(t)
	dir := t.TempDir()
	if err := unix.Mount("berth-test", dir, "tmpfs", 0, "size=3m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	s := openStore(t, dir)
	pullPlain(t, s, reg.push(t, "small:v1", randomImage(t, 1, "amd64")))
	before := used(t, dir)
	// The first two fit as a blob, but not unpacked or not with all of the image's records; the last not even as a blob.
	for _, size := range []int{1500 << 10, 2 << 20, 6 << 20} {
		name := reg.push(t, fmt.Sprintf("big:%d", size), imageOf(t, "amd64", fileLayer(t, "big", size)))
		_, err := s.Pull(ctx, name, PullOptions{Access: plain})
		wantClass(t, err, errdefs.ErrUnavailable, "no space left on device", "nothing was kept")
		if after := used(t, dir); after != before {
			t.Errorf("expected %d bytes in use as before, got %d", before, after)
		}
		wantNoLeftovers(t, s)
	}
	if list, err := s.List(ctx, ListOptions{}); err != nil || len(list) != 1 {
		t.Errorf("expected the small image alone, got %v, %v", list, err)
	}
}

// used is how much of a file system is in use, in bytes.
func used(t *testing.T, dir string) int64 {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	return int64(st.Blocks-st.Bfree) * st.Bsize
}
