package image

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// testRegistry is a registry on loopback that speaks plain HTTP.
type testRegistry struct {
	host string
	// intercept, if it returns true, has answered instead of the registry.
	intercept func(w http.ResponseWriter, r *http.Request) bool
	requests  []string
}

func newRegistry(t *testing.T) *testRegistry {
	t.Helper()
	reg := &testRegistry{}
	inner := registry.New(registry.Logger(quietLog))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reg.requests = append(reg.requests, r.Method+" "+r.URL.Path)
		if reg.intercept == nil || !reg.intercept(w, r) {
			inner.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(srv.Close)
	reg.host = strings.TrimPrefix(srv.URL, "http://")
	return reg
}

// push puts an image into the registry and returns its full name.
func (r *testRegistry) push(t *testing.T, repo string, img v1.Image) string {
	t.Helper()
	ref, err := name.ParseReference(r.host+"/"+repo, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img); err != nil {
		t.Fatal(err)
	}
	return ref.Name()
}

// randomImage has layers of random files and says that it is for the platform.
func randomImage(t *testing.T, layers int, arch string) v1.Image {
	t.Helper()
	img, err := random.Image(4096, int64(layers))
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
	img, err = mutate.ConfigFile(img, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

var insecure = false

// plain is access to a registry without TLS.
var plain = Access{TLSVerify: &insecure}

func TestPullFromRegistry(t *testing.T) {
	reg, s := newRegistry(t), newStore(t)
	want := randomImage(t, 3, "amd64")
	full := reg.push(t, "some/app:v1", want)
	ids, err := s.Pull(context.Background(), full, PullOptions{Access: plain})
	if err != nil {
		t.Fatal(err)
	}
	config, _ := want.ConfigName()
	if len(ids) != 1 || ids[0] != config.Hex {
		t.Fatalf("expected the ID %s, got %v", config.Hex, ids)
	}
	img, err := s.Resolve(context.Background(), full)
	if err != nil {
		t.Fatal(err)
	}
	manifest, _ := want.Digest()
	if len(img.Layers) != 3 || img.Digest != manifest.String() || img.Config.Config.Cmd[0] != "/bin/true" || img.Names[0] != full {
		t.Errorf("expected 3 layers, digest %s, the command and the name %s, got %+v", manifest, full, img)
	}
	if list, err := s.List(context.Background(), ListOptions{}); err != nil || len(list) != 1 {
		t.Errorf("expected one image, got %v, %v", list, err)
	}
}
