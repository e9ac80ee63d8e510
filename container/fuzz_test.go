package container

import (
	"path"
	"strings"
	"testing"
	"time"
)

// checkMount holds for every mount that a parser accepts.
func checkMount(t *testing.T, in string, m Mount) {
	t.Helper()
	if !path.IsAbs(m.Destination) || path.Clean(m.Destination) != m.Destination || m.Destination == "/" {
		t.Errorf("%q: destination %q is not an absolute, clean path below the root", in, m.Destination)
	}
	switch m.Type {
	case Bind:
		if !path.IsAbs(m.Source) {
			t.Errorf("%q: source %q is not absolute", in, m.Source)
		}
	case Volume:
		if m.Source != "" && CheckName(m.Source) != nil {
			t.Errorf("%q: %q is no volume's name", in, m.Source)
		}
	case Tmpfs:
		if m.Source != "" {
			t.Errorf("%q: a tmpfs with the source %q", in, m.Source)
		}
	default:
		t.Errorf("%q: type %q", in, m.Type)
	}
	if strings.Contains(m.Source+m.Destination+m.Subpath, "\x00") {
		t.Errorf("%q: a zero byte in %+v", in, m)
	}
	for _, o := range m.Options {
		if strings.ContainsAny(o, ",\x00") {
			t.Errorf("%q: option %q would be more than one to mount(2)", in, o)
		}
	}
}

func FuzzVolume(f *testing.F) {
	for _, s := range []string{"/a:/b:ro,z", "data:/b", "/b", "./x:/b:U,rslave", `/a\:b:/c`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if m, err := ParseVolume(s, "/here"); err == nil {
			checkMount(t, s, m)
		}
	})
}

func FuzzMountFlag(f *testing.F) {
	for _, s := range []string{
		"type=bind,src=/a,dst=/b,ro", `type=bind,"src=/a,b",dst=/b`, "type=tmpfs,dst=/b,tmpfs-size=1m,tmpfs-mode=1777",
		"type=volume,src=d,dst=/b,subpath=x",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if m, err := ParseMount(s, "/here"); err == nil {
			checkMount(t, s, m)
		}
	})
}

func FuzzTmpfs(f *testing.F) {
	f.Add("/run:size=64m,mode=1777,noexec")
	f.Fuzz(func(t *testing.T, s string) {
		if m, err := ParseTmpfs(s); err == nil {
			checkMount(t, s, m)
		}
	})
}

func FuzzDevice(f *testing.F) {
	f.Add("/dev/a:/dev/b:rw")
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := ParseDevice(s); err == nil && (!path.IsAbs(d.Source) || !path.IsAbs(d.Destination) || !isAccess(d.Access)) {
			t.Errorf("%q: got %+v", s, d)
		}
	})
}

func FuzzPort(f *testing.F) {
	for _, s := range []string{"127.0.0.1:8000-8009:9000-9009/udp", "[::1]::80", "80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePort(s)
		if err != nil {
			return
		}
		if p.ContainerPort == 0 || p.Range == 0 || int(p.ContainerPort)+int(p.Range) > 65536 || int(p.HostPort)+int(p.Range) > 65536 {
			t.Errorf("%q: got %+v, which goes beyond the ports there are", s, p)
		}
	})
}

func FuzzSysctl(f *testing.F) {
	for _, s := range []string{"net.ipv4.ip_forward=1", "net/ipv4/conf/eth0.1/mtu=9", "net/../kernel/core_pattern=|/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, value, err := ParseSysctl(s)
		if err != nil {
			return
		}
		// However a runtime makes a path of the name, it stays where the name begins.
		first, _, _ := strings.Cut(name, ".")
		for _, p := range []string{strings.ReplaceAll(name, ".", "/"), strings.NewReplacer(".", "/", "/", ".").Replace(name), name} {
			clean := path.Clean("/proc/sys/" + p)
			if !strings.HasPrefix(clean, "/proc/sys/"+first) {
				t.Errorf("%q: the path %s is not below /proc/sys/%s", s, clean, first)
			}
		}
		if strings.ContainsAny(name+value, "+\n\r\x00") {
			t.Errorf("%q: got %q=%q, which is more than one parameter to some", s, name, value)
		}
	})
}

func FuzzNumbers(f *testing.F) {
	for _, s := range []string{"1.5g", "64m", "0.5", "nofile=1:2", "0:100000:65536", "1777892400.5", "0-3,8"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := ParseSize(s); err == nil && n < 0 {
			t.Errorf("size %q: got %d", s, n)
		}
		if period, quota, err := ParseCPUs(s); err == nil && (quota < 0 || quota > 0 && period == 0) {
			t.Errorf("CPUs %q: got %d/%d", s, quota, period)
		}
		if r, err := ParseUlimit(s); err == nil && (r.Soft < -1 || r.Hard < -1) {
			t.Errorf("ulimit %q: got %+v", s, r)
		}
		if m, err := ParseIDMap(s); err == nil && (m.Size <= 0 || m.HostID+m.Size >= 1<<32) {
			t.Errorf("ID map %q: got %+v", s, m)
		}
		_, _ = ParseTime(s, time.Unix(0, 0))
		_ = checkCPUList("CPUs", s)
	})
}

func FuzzWords(f *testing.F) {
	for _, s := range []string{
		"on-failure:3", "RTMIN+3", "ctrl-p,ctrl-q", "0022", "root:root", "auto:size=1,uidmapping=0:1:2", "db:10.0.0.2", "seccomp=x", "max-size=1m",
		`["CMD","x"]`, "cap_kill",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := ParseSignal(s); err == nil && (n < 1 || n > 64) {
			t.Errorf("signal %q: got %d", s, n)
		}
		if u, err := ParseUmask(s); err == nil && len(u) != 4 {
			t.Errorf("umask %q: got %q", s, u)
		}
		if err := CheckUser(s); err == nil && strings.ContainsAny(s, "\n ,/") {
			t.Errorf("user %q was accepted", s)
		}
		if hosts, err := ParseAddHost(s); err == nil && strings.ContainsAny(strings.Join(hosts, ""), "\n #") {
			t.Errorf("host %q: got %q, which is more than one line of /etc/hosts", s, hosts)
		}
		for kind := range modes {
			_, _ = ParseNamespace(kind, s)
		}
		_, _ = ParseRestart(s)
		_, _ = ParseDetachKeys(s)
		_, _ = ParseHealthCommand(s)
		_, _ = ParseCapability(s)
		_ = new(Security).Apply(s)
		_ = new(Log).Apply(s)
	})
}

func FuzzEnvFile(f *testing.F) {
	f.Add("A=1\n# x\n\nB\n")
	f.Fuzz(func(t *testing.T, text string) {
		env, err := ParseEnvFile(strings.NewReader(text), "file", []string{"B=2"})
		if err != nil {
			return
		}
		for _, e := range env {
			if name, _, ok := strings.Cut(e, "="); !ok || name == "" || strings.ContainsAny(e, "\n\x00") {
				t.Errorf("%q: got %q", text, e)
			}
		}
		_, _ = ParseLabelFile(strings.NewReader(text), "file")
	})
}

func FuzzFilters(f *testing.F) {
	f.Add("name", "^web")
	f.Add("until", "10m")
	f.Fuzz(func(t *testing.T, key, value string) {
		if filter, err := ParseFilters(map[string][]string{key: {value}}, noon); err == nil {
			filter.Match(web(), FilterContext{})
		}
	})
}
