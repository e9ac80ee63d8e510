package libpod

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/engine"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares a value's JSON with testdata/NAME.json.
func golden(t *testing.T, name string, v any) {
	t.Helper()
	got, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	path := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s: expected\n%s\ngot\n%s\n(-update writes it)", path, want, got)
	}
}

var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// everything is a container that has something of all that there is.
func everything() container.Container {
	score, swappiness := 100, uint64(10)
	c := container.Config{
		ID: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", Name: "web", Created: at,
		CreateCommand: []string{"berth", "run", "img"}, CIDFile: "/run/web.cid",
		Image:   container.Image{ID: "aa", Name: "docker.io/library/nginx:1", Digest: "sha256:bb", OS: "linux", Architecture: "amd64"},
		Process: container.Process{Entrypoint: []string{"/entry"}, Command: []string{"nginx"}, Env: []string{"A=1"}, WorkDir: "/srv", User: "www", Groups: []string{"audio"}, Terminal: true, Stdin: true, OOMScoreAdj: &score, Rlimits: []container.Rlimit{{Name: "nofile", Soft: 1, Hard: 2}}},
		Resources: container.Resources{
			Memory: 1 << 20, MemorySwap: -1, MemorySwappiness: &swappiness, CPUPeriod: 100000, CPUQuota: 150000, CPUShares: 512,
			PidsLimit: 100, BlkioWeight: 50, CgroupParent: "/x", DeviceCgroupRules: []string{"c 1:3 rwm"},
		},
		Security: container.Security{CapAdd: []string{"CAP_NET_ADMIN"}, NoNewPrivileges: true, Seccomp: "unconfined", Labels: []string{"disable"}, Unmask: []string{"ALL"}, Sysctl: map[string]string{"a.b": "1"}},
		Namespaces: container.Namespaces{
			PID: container.Namespace{Mode: container.Host}, IPC: container.Namespace{Mode: container.Shareable},
			UTS: container.Namespace{Mode: container.FromContainer, Target: "cc"}, User: container.Namespace{Mode: container.Private},
			Hostname: "web.example.org", UIDMap: []container.IDMap{{HostID: 100000, Size: 65536}}, GIDMap: []container.IDMap{{HostID: 100000, Size: 65536}},
		},
		Network: container.Network{Namespace: container.Namespace{Mode: container.Host}, Ports: []container.Port{{HostIP: "127.0.0.1", HostPort: 8080, ContainerPort: 80, Range: 2, Protocol: "tcp"}}},
		Mounts: []container.Mount{
			{Type: container.Bind, Source: "/srv", Destination: "/data", ReadOnly: true, Options: []string{"rbind"}, Relabel: "Z"},
			{Type: container.Tmpfs, Destination: "/tmp", Options: []string{"size=1m"}},
			{Type: container.Volume, Source: "v", Destination: "/v", FromImage: true},
		},
		Devices: []container.Device{{Source: "/dev/fuse", Destination: "/dev/fuse", Access: "rw"}},
		ShmSize: 64 << 20, ReadOnly: true, Init: true, Labels: map[string]string{"app": "shop"}, Annotations: map[string]string{"k": "v"},
		StopSignal: 3, StopTimeout: 5, Restart: container.RestartPolicy{Name: "on-failure", MaxRetries: 3},
		Health: &container.Health{Test: []string{"CMD-SHELL", "true"}, Interval: time.Second, Retries: 2, OnFailure: "kill"},
		Log:    container.Log{Driver: "k8s-file", MaxSize: 1 << 20, MaxFiles: 3, Tag: "t"},
		Hosts:  container.HostsConfig{Add: []string{"a:10.0.0.1"}, DNS: []string{"1.1.1.1"}}, Timezone: "local", Umask: "0022",
	}
	s := container.State{
		Status: container.Running, PID: 42, MonitorPID: 41, Run: 2, Started: at.Add(time.Second), CgroupPath: "/berth-01", Restarts: 1,
		Health: &container.HealthResult{Status: "healthy"},
	}
	return container.Container{Config: c, State: s}
}

func TestTheDocumentOfAContainer(t *testing.T) {
	golden(t, "inspect", InspectContainer(&engine.Details{
		Container: everything(), Status: container.Running, Size: &engine.SizeInfo{RW: 10, RootFS: 1000}, Execs: []string{"e1"},
		RuntimeName: "crun", RuntimePath: "/usr/bin/crun", CgroupManager: "cgroupfs", StorageDriver: "overlay",
		Mounts: []engine.ResolvedMount{{Type: "bind", Source: "/srv", Destination: "/data", Mode: "Z", Options: []string{"rbind"}}},
		Paths:  engine.ContainerPaths{Root: "/r", Bundle: "/b", Log: "/r/container.log", ResolvConf: "/run/resolv.conf"},
		Spec:   []byte(`{"ociVersion":"1.2.0"}`), LowerDirs: []string{"/l1", "/l2"}, UpperDir: "/u", WorkDir: "/w", Merged: "/m",
	}))
}

// Clients range over lists and index maps without asking whether they are there.
func TestTheDocumentOfABareContainerHasNoNullLists(t *testing.T) {
	golden(t, "inspect-bare", InspectContainer(&engine.Details{
		Container: container.Container{Config: container.Config{ID: "0123456789abcdef", Name: "bare", Created: at, RootfsPath: "/srv/root"}},
		Status:    container.Created,
	}))
}

func TestTheListsEntryOfAContainer(t *testing.T) {
	c := everything()
	golden(t, "list", NewListContainer(&engine.Summary{
		Container: &c, Status: container.Running, Size: &engine.SizeInfo{RW: 10, RootFS: 1000},
	}, at.Add(time.Hour)))
}
