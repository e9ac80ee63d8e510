package confine

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/test/sandbox"
)

func TestACgroupParentThatWasMadeForContainersGoesWithTheLast(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	parent := "berth-test-" + filepath.Base(filepath.Dir(s.Dir))
	left := func() string {
		found, err := filepath.Glob("/sys/fs/cgroup/*/" + parent)
		if err != nil {
			t.Fatal(err)
		}
		v2, _ := filepath.Glob("/sys/fs/cgroup/" + parent)
		found = slices.DeleteFunc(append(found, v2...), func(dir string) bool { // a directory that stands for a hierarchy is none
			var st unix.Statfs_t
			return unix.Statfs(dir, &st) != nil || st.Type != unix.CGROUP_SUPER_MAGIC && st.Type != unix.CGROUP2_SUPER_MAGIC
		})
		return strings.Join(found, "\n")
	}
	t.Cleanup(func() { // what a failure has left
		for dir := range strings.FieldsSeq(left()) {
			_ = os.Remove(dir + "/below")
			_ = os.Remove(dir)
		}
	})
	run := []string{"--cgroup-manager", "cgroupfs", "run", "--cgroup-parent"}
	s.OK(append(run, parent, "--rm", bb, "true")...)
	sandbox.Equal(t, "control groups after run --rm", left(), "")
	s.Fails(127, []string{"no-such-command"}, append(run, parent, "--rm", bb, "no-such-command")...)
	sandbox.Equal(t, "control groups after a start that failed", left(), "")

	s.OK(append(run, parent+"/below", "-d", "--name", "a", bb, "sleep", "1000")...)
	s.OK(append(run, parent, "-d", "--name", "b", bb, "sleep", "1000")...)
	if left() == "" {
		t.Error("expected the control group to be there while a container is in it")
	}
	s.OK("rm", "-f", "-t", "0", "a")
	s.OK("exec", "b", "true")
	s.OK("rm", "-f", "-t", "0", "b")
	sandbox.Equal(t, "control groups after the last", left(), "")
	s.NoLeaks()

	// One that was there before is the user's.
	own := "/sys/fs/cgroup/pids/" + parent
	if _, err := os.Stat(filepath.Dir(own)); err != nil {
		own = "/sys/fs/cgroup/" + parent
	}
	if err := os.Mkdir(own, 0o755); err != nil {
		t.Fatal(err)
	}
	s.OK(append(run, parent, "--rm", bb, "true")...)
	sandbox.Equal(t, "control groups beside the user's own", left(), own)
}
