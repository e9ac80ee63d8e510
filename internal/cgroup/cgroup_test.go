package cgroup

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/berth-engine/berth/errdefs"
)

// tree writes files below a new directory.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// The contents are those of a real kernel's files, cut to what has a meaning here and something beside it.
const (
	cpuStat    = "usage_usec 1234567\nuser_usec 1000000\nsystem_usec 234567\nnice_usec 0\nnr_periods 0\nnr_throttled 0\n"
	memoryStat = "anon 4096000\nfile 9000000\ninactive_anon 12\ninactive_file 8000000\nactive_file 1000000\n"
	ioStat     = "259:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n8:16 \n8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n"

	memoryStatV1 = "cache 5\ninactive_file 7\ntotal_cache 1000\ntotal_inactive_file 1000000\nhierarchical_memory_limit 9223372036854771712\n"
	serviceBytes = "8:0 Read 4096\n8:0 Write 8192\n8:0 Sync 1\n8:0 Async 2\n8:0 Discard 0\n8:0 Total 12288\n8:16 Read 1\n8:16 Write 2\nTotal 12291\n"
)

func TestUsageIsReadFromAGroupOfVersion2(t *testing.T) {
	root := tree(t, map[string]string{
		"cgroup.controllers": "cpu io memory pids\n", "cpu.stat": "usage_usec 1\n",
		"a.slice/c/cpu.stat": cpuStat, "a.slice/c/memory.current": "13000000\n", "a.slice/c/memory.stat": memoryStat,
		"a.slice/c/memory.max": "67108864\n", "a.slice/c/pids.current": "7\n", "a.slice/c/io.stat": ioStat,
		"unlimited/memory.max": "max\n", "unlimited/memory.current": "100\n", "unlimited/memory.stat": "inactive_file 200\n",
	})
	equal(t, root, "/a.slice/c", Usage{
		CPU: 1234567 * time.Microsecond, CPUUser: time.Second, CPUSystem: 234567 * time.Microsecond,
		Memory: 5000000, MemoryLimit: 67108864, PIDs: 7, BlockRead: 4097, BlockWritten: 8194,
	})
	equal(t, root, "unlimited", Usage{})
}

func TestUsageIsReadFromTheHierarchiesOfVersion1(t *testing.T) {
	root := tree(t, map[string]string{
		"cpu,cpuacct/berth-c/cpuacct.usage": "1234567890\n", "cpu,cpuacct/berth-c/cpuacct.usage_user": "1000000000\n",
		"cpu,cpuacct/berth-c/cpuacct.usage_sys": "234567890\n",
		"memory/berth-c/memory.usage_in_bytes":  "3000000\n", "memory/berth-c/memory.limit_in_bytes": "67108864\n",
		"memory/berth-c/memory.stat": memoryStatV1, "pids/berth-c/pids.current": "3\n",
		"blkio/berth-c/blkio.throttle.io_service_bytes_recursive": serviceBytes,
		"blkio/berth-c/blkio.throttle.io_service_bytes":           "8:0 Read 77\n",
		"memory/unlimited/memory.limit_in_bytes":                  "9223372036854771712\n",
		"blkio/old/blkio.throttle.io_service_bytes":               "8:0 Read 77\n8:0 Write 78\nTotal 155\n",
		"unified/cgroup.controllers":                              "hugetlb\n", // a hybrid host's second tree
	})
	equal(t, root, "/berth-c", Usage{
		CPU: 1234567890, CPUUser: time.Second, CPUSystem: 234567890,
		Memory: 2000000, MemoryLimit: 67108864, PIDs: 3, BlockRead: 4097, BlockWritten: 8194,
	})
	equal(t, root, "unlimited", Usage{})
	equal(t, root, "old", Usage{BlockRead: 77, BlockWritten: 78})
}

func TestAGroupThatIsNotThereIsNotFound(t *testing.T) {
	for version, root := range map[string]string{
		"2": tree(t, map[string]string{"cgroup.controllers": "cpu\n"}),
		"1": tree(t, map[string]string{"memory/other/memory.usage_in_bytes": "1\n"}),
	} {
		if _, err := Read(root, "/gone"); errdefs.Class(err) != errdefs.ErrNotFound {
			t.Errorf("version %s: expected ErrNotFound, got %v", version, err)
		}
	}
}

func TestAPathDoesNotLeaveTheHierarchy(t *testing.T) {
	root := tree(t, map[string]string{"h/cgroup.controllers": "cpu\n", "outside/pids.current": "5\n", "h/pids.current": "1\n"})
	if u, err := Read(filepath.Join(root, "h"), "../outside"); err == nil {
		t.Errorf("expected an error, got %+v", u)
	}
}

func equal(t *testing.T, root, path string, expected Usage) {
	t.Helper()
	got, err := Read(root, path)
	if err != nil {
		t.Fatal(err)
	}
	if got != expected {
		t.Errorf("%s: expected %+v, got %+v", path, expected, got)
	}
}

func FuzzDeviceStatistics(f *testing.F) {
	f.Add(ioStat)
	f.Add(serviceBytes)
	f.Add("8:0 rbytes=99999999999999999999 wbytes=-1\n8:0 Read\n Read 1\n")
	f.Fuzz(func(t *testing.T, text string) {
		parseIOStat(text)
		parseServiceBytes(text)
		g := group(tree(t, map[string]string{"cpu.stat": text, "memory.current": text, "memory.stat": text}))
		u, err := readUnified(g)
		if err != nil {
			t.Fatal(err)
		}
		if u.CPU < 0 || u.CPUUser < 0 || u.CPUSystem < 0 {
			t.Errorf("processor time is negative: %+v", u)
		}
	})
}
