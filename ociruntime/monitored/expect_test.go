package monitored

import (
	"os"
	"slices"
	"testing"
)

func TestDirectoriesOfAControlGroup(t *testing.T) {
	for line, want := range map[string][]string{
		"0::/user.slice/a:b.scope":     {"/c/user.slice/a:b.scope", "/c/unified/user.slice/a:b.scope"},
		"0::/":                         {"/c", "/c/unified"},
		"9:name=systemd:/system.slice": {"/c/systemd/system.slice"},
		"4:cpu,cpuacct:/x":             {"/c/cpu,cpuacct/x"},
		"0::/../outside":               nil,
		"1:cpu":                        nil,
		"":                             nil,
	} {
		if got := cgroupDirs(line, "/c"); !slices.Equal(got, want) {
			t.Errorf("%q: expected %q, got %q", line, want, got)
		}
	}
}

// TestAMoveNowhereIsMadeAndChangesNothing: the kernel takes the move, and the process is where it was.
func TestAMoveNowhereIsMadeAndChangesNothing(t *testing.T) {
	before, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	if err := moveNowhere("/proc/self/cgroup", "/sys/fs/cgroup"); err != nil {
		t.Errorf("expected the move to be made, got %v", err)
	}
	after, err := os.ReadFile("/proc/self/cgroup")
	if err != nil || string(after) != string(before) {
		t.Errorf("expected to be left in\n%s, got\n%s (%v)", before, after, err)
	}
}

func TestNoFileIsMadeWhereThereAreNoControlGroups(t *testing.T) {
	dir := t.TempDir()
	list := dir + "/list"
	if err := os.WriteFile(list, []byte("0::/\n1:name=systemd:/\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := moveNowhere(list, dir); err == nil {
		t.Error("expected an error, got none")
	}
	if _, err := os.Stat(dir + "/cgroup.procs"); err == nil {
		t.Error("expected no file, got cgroup.procs")
	}
}
