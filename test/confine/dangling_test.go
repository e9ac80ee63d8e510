package confine

import (
	"path/filepath"
	"testing"

	"github.com/berth-engine/berth/test/sandbox"
)

// A link of the image's that leads nowhere leads nowhere in the container: what is mounted behind it is made there, as runc does.
func TestAMountBehindALinkThatLeadsNowhereIsMadeInTheRoot(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	image := sandbox.BusyboxImage("localhost/dangling:1",
		[]sandbox.Entry{sandbox.Whiteout("etc")},
		[]sandbox.Entry{
			sandbox.Link("etc", "/nowhere/deep"), sandbox.Link("data", "missing/dir"), sandbox.Dir("run", 0o755), sandbox.Link("run/here", "/gone/file"),
		})
	s.Load(image)
	s.OK("volume", "create", "v")
	file := s.Write("mnt/file", "content\n")
	says(t, s, image.Name, []saying{
		{"the engine's files", nil, "grep -c localhost /etc/hosts; cat /nowhere/deep/hostname | wc -l", "2\n1"},
		{"a directory", []string{"-v", filepath.Dir(file) + ":/data"}, "cat /missing/dir/file", "content"},
		{"a file", []string{"-v", file + ":/run/here"}, "cat /gone/file", "content"},
		{"a volume", []string{"-v", "v:/data"}, "echo x > /missing/dir/x; cat /data/x", "x"},
		{"a tmpfs", []string{"--tmpfs", "/data"}, "grep -c ' /missing/dir tmpfs' /proc/self/mounts", "1"},
		{"one in another", []string{"-v", "v:/data", "-v", file + ":/data/sub/file"}, "cat /missing/dir/sub/file", "content"},
		{"in a user namespace", []string{"--userns", "auto"}, "grep -c localhost /etc/hosts", "2"},
		{"read-only", []string{"--read-only"}, "grep -c localhost /etc/hosts", "2"},
	})
	s.OK("volume", "rm", "v")
}
