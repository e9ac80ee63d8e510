package confine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/test/leak"
	"github.com/berth-engine/berth/test/sandbox"
)

func TestASubpathOfAVolumeIsADirectoryOrAFileInIt(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "--rm", "-v", "v:/data", bb, "sh", "-c", "mkdir -p /data/a/b; echo x > /data/a/b/file; ln -s a /data/link")
	at := func(subpath string) []string {
		return []string{"--mount", "type=volume,src=v,dst=/mnt,volume-subpath=" + subpath}
	}
	says(t, s, bb, []saying{
		{"a directory", at("a/b"), "cat /mnt/file", "x"},
		{"a link inside the volume", at("link/b"), "cat /mnt/file", "x"},
		{"a file", at("a/b/file"), "cat /mnt", "x"},
		{"written to", at("a"), "echo y > /mnt/b/new; cat /mnt/b/new", "y"},
		{"in a user namespace", append(at("a/b"), "--uidmap", "0:100000:65536"), "cat /mnt/file", "x"},
		{"two of one volume", append(at("a"), "--mount", "type=volume,src=v,dst=/two,volume-subpath=a/b"), "cat /mnt/b/file /two/file", "x\nx"},
	})
	sandbox.Equal(t, "what was written", s.OK("run", "--rm", "-v", "v:/data", bb, "cat", "/data/a/b/new"), "y")

	s.OK("run", "-d", "--name", "c", "--mount", "type=volume,src=v,dst=/mnt,volume-subpath=a", bb, "sleep", "1000")
	seen := false
	for _, l := range s.LeftNow() {
		seen = seen || l.Kind == leak.Mount && strings.Contains(l.Name, "subpaths")
	}
	if !seen {
		t.Errorf("expected the leak check to see the mount of the subpath while the container runs, got\n%s", leak.List(s.LeftNow()))
	}
	s.OK("rm", "-f", "-t", "0", "c")
	s.OK("volume", "rm", "v")
	s.NoLeaks()
}

func TestASubpathThatIsSwappedForALinkDoesNotLeadOutOfTheVolume(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "--rm", "-v", "v:/data", bb, "sh", "-c", "mkdir /data/sub; echo volume > /data/sub/file")
	s.Write("host/file", "host\n")
	data := filepath.Join(s.Root, "volumes", "v", "_data")
	if err := os.Symlink(filepath.Join(s.Dir, "host"), data+"/other"); err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() { // the swapper: what another container with the volume could do
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, data+"/sub", unix.AT_FDCWD, data+"/other", unix.RENAME_EXCHANGE)
			}
		}
	}()
	worked := 0
	for range 30 {
		r := s.Berth("run", "--rm", "--mount", "type=volume,src=v,dst=/mnt,volume-subpath=sub", bb, "cat", "/mnt/file")
		switch {
		case r.Code == 0 && r.Stdout == "volume\n":
			worked++
		case strings.Contains(r.Stdout, "host"):
			t.Errorf("expected the volume's file or an error, got %s", r)
		}
	}
	close(stop)
	<-stopped
	if worked == 0 {
		t.Error("expected some of the containers to see the volume's file, none did")
	}
	s.OK("volume", "rm", "v")
}
