// Package image tests where images come from and go to: archives, a registry, a root file system made by debootstrap.
package image

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-engine/berth/test/sandbox"
)

func TestMain(m *testing.M) { sandbox.Main(m) }

func TestImagesAreLoadedListedTaggedAndRemoved(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	id := s.OK("image", "inspect", "-f", "{{.ID}}", bb)
	table := s.OK("images")
	for _, word := range []string{"REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE", "localhost/busybox", "latest", strings.TrimPrefix(id, "sha256:")[:12]} {
		if !strings.Contains(table, word) {
			t.Errorf("expected %q in\n%s", word, table)
		}
	}
	s.OK("tag", bb, "localhost/other:2")
	sandbox.Equal(t, "a run by the new name", s.OK("run", "--rm", "localhost/other:2", "echo", "x"), "x")
	sandbox.Equal(t, "a run by the ID", s.OK("run", "--rm", strings.TrimPrefix(id, "sha256:")[:12], "echo", "x"), "x")
	sandbox.Equal(t, "a run by the short name", s.OK("run", "--rm", "busybox", "echo", "x"), "x")
	s.OK("untag", bb, "localhost/other:2")
	s.Fails(125, []string{"localhost/other:2"}, "run", "--rm", "--pull", "never", "localhost/other:2", "true")

	var history []map[string]any
	if err := json.Unmarshal([]byte(s.OK("image", "history", "--format", "json", bb)), &history); err != nil || len(history) != 1 {
		t.Errorf("expected a history of one layer, got %v (%v)", history, err)
	}
	s.OK("create", "--name", "c", bb)
	r := s.Berth("rmi", bb)
	if r.Code == 0 || !strings.Contains(r.Stderr, "c") {
		t.Errorf("expected an image in use to stay, got %s", r)
	}
	s.OK("rm", "c")
	s.OK("rmi", bb)
	sandbox.Equal(t, "images", s.OK("images", "-q"), "")
	layers, err := filepath.Glob(filepath.Join(s.Root, "storage/overlay/*/diff"))
	if err != nil || len(layers) != 0 {
		t.Errorf("expected no layer on disk after the last image, got %v", layers)
	}
	s.NoLeaks()
}

func TestSavedImagesAreLoadedElsewhereInEveryFormat(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	id := s.OK("image", "inspect", "-f", "{{.ID}}", bb)
	for _, format := range []string{"docker-archive", "oci-archive", "oci-dir"} {
		path := filepath.Join(s.Dir, "saved-"+format)
		s.OK("save", "-q", "--format", format, "-o", path, bb)
		other := sandbox.New(t)
		other.OK("load", "-q", "-i", path)
		sandbox.Equal(t, format+": a run elsewhere", other.OK("run", "--rm", bb, "echo", "x"), "x")
		if format == "docker-archive" {
			sandbox.Equal(t, format+": the ID", other.OK("image", "inspect", "-f", "{{.ID}}", bb), id)
		}
	}
}

func TestAnArchiveIsLoadedFromStandardInput(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	f, err := os.Open(s.SaveArchive(sandbox.BusyboxImage(sandbox.Busybox)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := s.Command(t.Context(), "load", "-q")
	cmd.Stdin = f
	s.Finish(t.Context(), cmd).Expect(t, 0)
	sandbox.Equal(t, "a run", s.OK("run", "--rm", sandbox.Busybox, "echo", "x"), "x")
}

func TestAnArchiveWhosePathHasAColonIsLoaded(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	path := filepath.Join(s.Dir, "a:b,c.tar")
	if err := os.Rename(s.SaveArchive(sandbox.BusyboxImage(sandbox.Busybox)), path); err != nil {
		t.Fatal(err)
	}
	s.OK("load", "-q", "-i", path)
	s.OK("save", "-q", "-o", path+":2", sandbox.Busybox)
	sandbox.Equal(t, "the archive is there", s.Exists(path+":2"), true)
}

func TestPullPushAndTheFourPullPolicies(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	r := s.StartRegistry("")
	remote := r.Host + "/team/tool:1"
	s.OK("push", "-q", bb, remote)
	s.OK("rmi", bb)

	s.Fails(125, []string{remote}, "run", "--rm", "--pull", "never", remote, "true")
	sandbox.Equal(t, "missing", s.OK("run", "--rm", "-q", remote, "echo", "x"), "x")
	sandbox.Equal(t, "always", s.OK("run", "--rm", "-q", "--pull", "always", remote, "echo", "x"), "x")
	sandbox.Equal(t, "newer", s.OK("run", "--rm", "-q", "--pull", "newer", remote, "echo", "x"), "x")
	sandbox.Equal(t, "a short name, over the registry to search", s.OK("run", "--rm", "-q", "--pull", "always", "team/tool:1", "echo", "x"), "x")

	digest := s.OK("image", "inspect", "-f", "{{.Digest}}", remote)
	s.OK("rmi", "-f", remote)
	byDigest := r.Host + "/team/tool@" + digest
	s.OK("pull", "-q", byDigest)
	sandbox.Equal(t, "by digest", s.OK("run", "--rm", byDigest, "echo", "x"), "x")

	// What the registry has changed under the same name is seen by newer and always, and not by missing.
	s.Load(sandbox.BusyboxImage("localhost/second:1", []sandbox.Entry{sandbox.File("second", 0o644, "")}))
	s.OK("pull", "-q", remote)
	other := sandbox.New(t)
	other.Write("registries.conf", string(must(os.ReadFile(filepath.Join(s.Dir, "registries.conf")))))
	other.Load(sandbox.BusyboxImage("localhost/second:1", []sandbox.Entry{sandbox.File("second", 0o644, "")}))
	other.OK("push", "-q", "localhost/second:1", remote)
	s.Fails(1, nil, "run", "--rm", "-q", remote, "ls", "/second")
	sandbox.Equal(t, "newer after a push", s.OK("run", "--rm", "-q", "--pull", "newer", remote, "ls", "/second"), "/second")

	r.Stop()
	sandbox.Equal(t, "newer, with the registry gone", s.OK("run", "--rm", "-q", "--pull", "newer", remote, "echo", "x"), "x")
	s.Fails(125, []string{r.Host}, "run", "--rm", "-q", "--pull", "always", remote, "true")
	s.Fails(125, []string{r.Host}, "pull", "-q", r.Host+"/nothing:1")
}

func must(data []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return data
}

func TestARegistryThatAsksForALogin(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	// user:secret, by bcrypt
	r := s.StartRegistry(htpasswd(t, "user", "secret"))
	remote := r.Host + "/private:1"
	s.Fails(125, []string{r.Host}, "push", "-q", bb, remote)
	s.Fails(125, []string{r.Host}, "login", "-u", "user", "-p", "wrong", r.Host)
	cmd := s.BerthIn("secret\n", "login", "-u", "user", "--password-stdin", r.Host)
	cmd.Expect(t, 0)
	s.OK("push", "-q", bb, remote)
	s.OK("pull", "-q", remote)
	s.OK("logout", r.Host)
	s.Fails(125, []string{remote}, "pull", "-q", remote)
	s.OK("pull", "-q", "--creds", "user:secret", remote)
}

// htpasswd is a line of such a file, made by Python's or Apache's tool of the host.
func htpasswd(t *testing.T, user, password string) string {
	t.Helper()
	hash, err := bcryptHash(password)
	if err != nil {
		t.Fatal(err)
	}
	return user + ":" + hash + "\n"
}

func TestABlobThatIsNotWhatItsDigestSaysIsRefused(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	r := s.StartRegistry("")
	remote := r.Host + "/tool:1"
	s.OK("push", "-q", bb, remote)
	s.OK("rmi", "-f", bb)
	spoilt := 0
	err := filepath.Walk(r.Storage, func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Name() == "data" && info.Size() > 100<<10 {
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			spoilt++
			_, err = f.WriteAt([]byte("spoilt"), info.Size()/2)
			return err
		}
		return err
	})
	if err != nil || spoilt == 0 {
		t.Fatalf("no layer was spoilt: %v", err)
	}
	s.Fails(125, []string{remote}, "pull", "-q", remote)
	s.Fails(125, []string{"tool"}, "pull", "-q", r.Host+"/tool@sha256:"+strings.Repeat("0", 64))
	sandbox.Equal(t, "images after the failures", s.OK("images", "-q"), "")
	s.NoLeaks()
}

func TestManyPullsOfOneImageAtATime(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	r := s.StartRegistry("")
	remote := r.Host + "/tool:1"
	s.OK("push", "-q", bb, remote)
	s.OK("rmi", "-f", bb)
	results := make(chan sandbox.Result, 6)
	for range cap(results) {
		go func() { results <- s.Berth("run", "--rm", "-q", remote, "echo", "x") }()
	}
	for range cap(results) {
		if r := <-results; r.Code != 0 || r.Stdout != "x\n" {
			t.Errorf("expected success, got %s", r)
		}
	}
	sandbox.Equal(t, "images", len(strings.Fields(s.OK("images", "-q"))), 1)
}

func TestDebianRuns(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	image := s.ImportDebian()
	sandbox.Equal(t, "a shell", s.OK("run", "--rm", image, "bash", "-c", `. /etc/os-release; echo "$ID"`), "debian")
	sandbox.Equal(t, "a user of its own", s.OK("run", "--rm", "-u", "alice", image, "bash", "-lc", `echo "$(id -un):$(id -Gn):$HOME:$PWD"`), "alice:alice users:/home/alice:/")
	sandbox.Equal(t, "a locale", s.OK("run", "--rm", "-e", "LC_ALL=de_DE.UTF-8", image, "bash", "-c", "printf \"%'.2f\\n\" 1234567,5; date -d 2024-03-01 +%B"), "1.234.567,50\nMärz")
	sandbox.Equal(t, "a time zone", s.OK("run", "--rm", "--timezone", "America/New_York", image, "date", "-d", "@0", "+%H %Z"), "19 EST")
	if out := s.OK("run", "--rm", image, "dpkg-query", "-W", "-f", "${Status}\n", "redis-server"); out != "install ok installed" {
		t.Errorf("dpkg: got %q", out)
	}
	if out := s.OK("run", "--rm", image, "apt-get", "-qq", "check"); out != "" {
		t.Errorf("apt-get check: got %q", out)
	}
	sandbox.Equal(t, "what the image's su makes of a user", s.OK("run", "--rm", image, "su", "alice", "-c", "id -u"), "1000")

	t.Run("a server is used over loopback", func(t *testing.T) { useRedis(t, s, image) })
}

// useRedis runs a real server in a container of the host's network and talks to it.
func useRedis(t *testing.T, s *sandbox.Sandbox, image string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	_, port, _ := strings.Cut(address, ":")
	s.OK("run", "-d", "--name", "redis", "--network", "host", "-u", "redis", image,
		"redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "", "--dir", "/tmp")
	s.Eventually("the server to answer", func() bool { return redis(address, "PING") == "+PONG" })
	sandbox.Equal(t, "SET", redis(address, "SET berth moored"), "+OK")
	sandbox.Equal(t, "redis-cli in the container", s.OK("exec", "redis", "redis-cli", "-p", port, "GET", "berth"), "moored")
	s.OK("pause", "redis")
	s.OK("unpause", "redis")
	sandbox.Equal(t, "GET after a pause", redis(address, "GET berth"), "$6")
	if out := s.OK("logs", "redis"); !strings.Contains(out, "Ready to accept connections") {
		t.Errorf("logs: got %q", out)
	}
	if out := s.OK("top", "redis"); !strings.Contains(out, "redis-server") {
		t.Errorf("top: got %q", out)
	}
	s.OK("stop", "redis") // which it does of its own on TERM
	sandbox.Equal(t, "exit code", s.OK("inspect", "-f", "{{.State.ExitCode}}", "redis"), "0")
	s.OK("rm", "redis")
}

// redis sends one command and returns the first line of the answer.
func redis(address, command string) string {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	fmt.Fprintf(conn, "%s\r\n", command)
	buf := make([]byte, 100)
	n, _ := conn.Read(buf)
	line, _, _ := strings.Cut(string(buf[:n]), "\r\n")
	return line
}

// bcryptHash makes a hash with the host's Perl or mkpasswd, whichever knows bcrypt through crypt(3).
func bcryptHash(password string) (string, error) {
	out, err := exec.Command("perl", "-e", `print crypt($ARGV[0], '$2y$05$abcdefghijklmnopqrstuu')`, password).Output()
	return strings.TrimSpace(string(out)), err
}
