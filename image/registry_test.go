package image

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
)

// testRegistry is a registry on loopback that speaks plain HTTP.
type testRegistry struct {
	host string
	// intercept, if it returns true, has answered instead of the registry.
	intercept func(w http.ResponseWriter, r *http.Request) bool

	mu       sync.Mutex
	requests []string
}

func newRegistry(t *testing.T) *testRegistry {
	t.Helper()
	reg := &testRegistry{}
	inner := registry.New(registry.Logger(quietLog))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reg.mu.Lock()
		reg.requests = append(reg.requests, r.Method+" "+r.URL.Path)
		reg.mu.Unlock()
		if reg.intercept == nil || !reg.intercept(w, r) {
			inner.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(srv.Close)
	reg.host = strings.TrimPrefix(srv.URL, "http://")
	return reg
}

// seen are the requests since the last forget.
func (r *testRegistry) seen() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.requests)
}

func (r *testRegistry) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = nil
}

func (r *testRegistry) ref(t *testing.T, repo string) name.Reference {
	t.Helper()
	ref, err := name.ParseReference(r.host+"/"+repo, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// push puts an image into the registry and returns its full name.
func (r *testRegistry) push(t *testing.T, repo string, img v1.Image) string {
	t.Helper()
	if err := remote.Write(r.ref(t, repo), img); err != nil {
		t.Fatal(err)
	}
	return r.host + "/" + repo
}

// pushIndex is push for an image for several platforms.
func (r *testRegistry) pushIndex(t *testing.T, repo string, idx v1.ImageIndex) string {
	t.Helper()
	if err := remote.WriteIndex(r.ref(t, repo), idx); err != nil {
		t.Fatal(err)
	}
	return r.host + "/" + repo
}

// stall makes the registry call reached and then wait when the image's last layer is asked for.
func (r *testRegistry) stall(t *testing.T, img v1.Image, reached func()) {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	digest, err := layers[len(layers)-1].Digest()
	if err != nil {
		t.Fatal(err)
	}
	end, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	r.intercept = func(_ http.ResponseWriter, req *http.Request) bool {
		if !strings.HasSuffix(req.URL.Path, digest.String()) || req.Method != http.MethodGet {
			return false
		}
		reached()
		select {
		case <-req.Context().Done():
		case <-end.Done():
		}
		return true
	}
}

// randomImage has layers of random files and says that it is for the platform.
func randomImage(t *testing.T, layers int, arch string) v1.Image {
	t.Helper()
	var all []v1.Layer
	for range layers {
		all = append(all, randomLayer(t))
	}
	return imageOf(t, arch, all...)
}

func randomLayer(t *testing.T) v1.Layer {
	t.Helper()
	l, err := random.Layer(4096, types.DockerLayer)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// imageOf has the layers, a command and a label.
func imageOf(t *testing.T, arch string, layers ...v1.Layer) v1.Image {
	t.Helper()
	img, err := mutate.AppendLayers(empty.Image, layers...)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	cfg = cfg.DeepCopy()
	cfg.OS, cfg.Architecture = "linux", arch
	cfg.Config.Cmd = []string{"/bin/true"}
	cfg.Config.Labels = map[string]string{"kind": "random"}
	if img, err = mutate.ConfigFile(img, cfg); err != nil {
		t.Fatal(err)
	}
	return img
}

// fileLayer has one file of random bytes.
func fileLayer(t *testing.T, name string, size int) v1.Layer {
	t.Helper()
	content := make([]byte, size)
	rand.Read(content)
	return tarLayer(t, tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(size)}, content)
}

// tarLayer has one entry.
func tarLayer(t *testing.T, h tar.Header, content []byte) v1.Layer {
	t.Helper()
	raw := tarOf(t, h, content)
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil })
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func tarOf(t *testing.T, h tar.Header, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&h); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var insecure = false

// plain is access to a registry without TLS.
var plain = Access{TLSVerify: &insecure}

func TestPullFromRegistry(t *testing.T) {
	reg, s := newRegistry(t), newStore(t)
	want := randomImage(t, 3, "amd64")
	full := reg.push(t, "some/app:v1", want)
	id := pullPlain(t, s, full)
	if config, _ := want.ConfigName(); id != config.Hex {
		t.Fatalf("expected the ID %s, got %s", config.Hex, id)
	}
	img, err := s.Resolve(ctx, full)
	if err != nil {
		t.Fatal(err)
	}
	manifest, _ := want.Digest()
	if len(img.Layers) != 3 || img.Digest != manifest.String() || img.Config.Config.Cmd[0] != "/bin/true" || img.Names[0] != full {
		t.Errorf("expected 3 layers, digest %s, the command and the name %s, got %+v", manifest, full, img)
	}
	if list, err := s.List(ctx, ListOptions{}); err != nil || len(list) != 1 {
		t.Errorf("expected one image, got %v, %v", list, err)
	}
}

// tarFile is the header of an empty file.
func tarFile(name string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644}
}

// sysregistriesInvalidate makes this process read registries.conf again, as a new one would.
func sysregistriesInvalidate() { sysregistriesv2.InvalidateCache() }
