package sandbox

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Registry is Debian's docker-registry on a port of loopback.
type Registry struct {
	// Host is 127.0.0.1:PORT.
	Host string
	// Storage is the directory of its blobs.
	Storage string
	cmd     *exec.Cmd
}

// StartRegistry starts a registry without TLS, which the sandbox's registries.conf allows, until the end of the test. With
// htpasswd, lines of that format with bcrypt hashes, it asks for a login.
func (s *Sandbox) StartRegistry(htpasswd string) *Registry {
	s.t.Helper()
	program, err := exec.LookPath("docker-registry")
	if err != nil {
		s.t.Fatal("needs Debian's package docker-registry: ", err)
	}
	host := freePort(s)
	// Outside of what the leak check looks at.
	dir := s.t.TempDir()
	r := &Registry{Host: host, Storage: filepath.Join(dir, "storage")}
	config := fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %q}, delete: {enabled: true}}\nhttp: {addr: %q}\n", r.Storage, host)
	if htpasswd != "" {
		file := filepath.Join(dir, "htpasswd")
		if err := os.WriteFile(file, []byte(htpasswd), 0o600); err != nil {
			s.t.Fatal(err)
		}
		config += fmt.Sprintf("auth: {htpasswd: {realm: test, path: %q}}\n", file)
	}
	file := filepath.Join(dir, "config.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.Write("registries.conf", fmt.Sprintf("unqualified-search-registries = [%q]\n[[registry]]\nlocation = %q\ninsecure = true\n", host, host))
	var output bytes.Buffer
	r.cmd = exec.Command(program, "serve", file)
	r.cmd.Stdout, r.cmd.Stderr = &output, &output
	if err := r.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(r.Stop)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		answer, err := http.Get("http://" + host + "/v2/")
		if err == nil {
			answer.Body.Close()
			return r
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("docker-registry does not answer: %v\n%s", err, output.String())
		}
	}
}

// Stop ends the registry; stopping it again does nothing.
func (r *Registry) Stop() {
	if r.cmd.ProcessState == nil {
		_ = r.cmd.Process.Kill()
		_ = r.cmd.Wait()
	}
}

// freePort is an address of loopback that nobody listens on.
func freePort(s *Sandbox) string {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
