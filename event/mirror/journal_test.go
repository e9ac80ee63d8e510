package mirror_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/event/mirror"
)

const journalNamespace = "BERTH_TEST_JOURNAL"

// TestTheJournalGetsPodmansFields plays journald on its socket, in a mount namespace in which nobody else sees it.
func TestTheJournalGetsPodmansFields(t *testing.T) {
	if os.Getenv(journalNamespace) == "" {
		again := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		again.Env = append(os.Environ(), journalNamespace+"=1")
		again.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
		out, err := again.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
			t.Fatalf("in a mount namespace: %v\n%s", err, out)
		}
		return
	}
	must(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	must(t, unix.Mount("tmpfs", "/run", "tmpfs", 0, ""))
	o := mirror.Options{Kind: mirror.Journald, Path: filepath.Join(t.TempDir(), "events")}
	if _, err := mirror.Open(o); err == nil {
		t.Error("expected an error where there is no journal")
	}
	must(t, os.MkdirAll("/run/systemd/journal", 0o755))
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: "/run/systemd/journal/socket"})
	must(t, err)
	defer socket.Close()

	p := &past{n: 5}
	m := open(t, o, p)
	p.add(2)
	must(t, m.CatchUp(t.Context(), p.read))
	must(t, m.CatchUp(t.Context(), p.read))
	must(t, socket.SetReadDeadline(time.Now().Add(10*time.Second)))
	for _, seq := range []string{"6", "7"} {
		buf := make([]byte, 64<<10)
		n, err := socket.Read(buf)
		must(t, err)
		entry := "\n" + string(buf[:n])
		for _, field := range []string{
			"BERTH_SEQ=" + seq, "PODMAN_EVENT=died", "PODMAN_TYPE=container", "PODMAN_NAME=web", "PODMAN_IMAGE=docker.io/library/web:1",
			"PODMAN_ID=" + strings.Repeat("ab", 32), "PODMAN_EXIT_CODE=", "SYSLOG_IDENTIFIER=berth", "PRIORITY=6", "MESSAGE=container died ",
			"PODMAN_TIME=1970-01-01T00:00:0" + seq + ".000000005Z", `PODMAN_LABELS={"label":"a \"quoted\"\nvalue"}`,
		} {
			if !strings.Contains(entry, "\n"+field) {
				t.Errorf("event %s: expected the field %s, got\n%s", seq, field, entry)
			}
		}
	}
}
