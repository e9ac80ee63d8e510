package image

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/berth-engine/berth/test/sandbox"
)

// stalling is a registry in front of another whose layers stop half-way.
func stalling(t *testing.T, host string) string {
	t.Helper()
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: host})
	proxy.FlushInterval = -1
	proxy.ModifyResponse = func(r *http.Response) error {
		if r.Request.Method == http.MethodGet && strings.Contains(r.Request.URL.Path, "/blobs/") && r.ContentLength > 100<<10 {
			r.Body = &half{r.Body, r.ContentLength / 2, r.Request.Context()}
		}
		return nil
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// half gives left bytes and then nothing until the request is over.
type half struct {
	io.ReadCloser
	left int64
	ctx  context.Context
}

func (h *half) Read(p []byte) (int, error) {
	if h.left == 0 {
		<-h.ctx.Done()
		return 0, h.ctx.Err()
	}
	n, err := h.ReadCloser.Read(p[:min(int64(len(p)), h.left)])
	h.left -= int64(n)
	return n, err
}

// interrupted runs a command that stages something, interrupts it then, and expects it to say so and to leave nothing.
func interrupted(t *testing.T, s *sandbox.Sandbox, input *os.File, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), sandbox.Patience)
	defer cancel()
	cmd := s.Command(ctx, args...)
	if input != nil {
		cmd.Stdin = input
	}
	staged := filepath.Join(s.Root, "storage", "berth-tmp", "*")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.Eventually("something to be staged", func() bool {
		found, _ := filepath.Glob(filepath.Join(staged, "*"))
		return len(found) > 0
	})
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the exit code says more
	sandbox.Equal(t, "exit code of "+strings.Join(args, " "), cmd.ProcessState.ExitCode(), 128+int(syscall.SIGINT))
	if left, _ := filepath.Glob(staged); len(left) > 0 {
		t.Errorf("%v: expected nothing left, got %v", args, left)
	}
}

func TestAnInterruptedPullLeavesNothing(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	r := s.StartRegistry("")
	s.OK("push", "-q", bb, r.Host+"/tool:1")
	s.OK("rmi", "-f", bb)
	interrupted(t, s, nil, "pull", "--tls-verify=false", stalling(t, r.Host)+"/tool:1")
	sandbox.Equal(t, "images", s.OK("images", "-q"), "")
}

func TestAnInterruptedImportDoesNotWaitForItsInput(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	s.LoadBusybox()
	silent, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close(); writer.Close() })
	interrupted(t, s, silent, "import", "-", "tool")
}
