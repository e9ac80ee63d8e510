package container

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berth-engine/berth/errdefs"
)

func TestRandomNamesAreValidAndMany(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pattern := regexp.MustCompile(NamePattern)
	seen := map[string]bool{}
	for range 1000 {
		name := RandomName(r)
		if !pattern.MatchString(name) || CheckName(name) != nil || strings.Count(name, "_") != 1 {
			t.Fatalf("%q is not an adjective and a surname", name)
		}
		seen[name] = true
	}
	if len(seen) < 900 {
		t.Errorf("1000 draws gave %d names, want at least 900", len(seen))
	}
	for _, list := range [][]string{adjectives, surnames} {
		if sorted := slices.Sorted(slices.Values(list)); len(slices.Compact(sorted)) != len(list) {
			t.Error("a word is listed twice")
		}
	}
}

func TestSecurityOptionsAreApplied(t *testing.T) {
	tests := map[string]Security{
		"seccomp=unconfined":                 {Seccomp: "unconfined"},
		"seccomp:unconfined":                 {Seccomp: "unconfined"},
		"seccomp=/p:x=y.json":                {Seccomp: "/p:x=y.json"},
		"seccomp=builtin":                    {},
		"apparmor=mine":                      {AppArmor: "mine"},
		"label=disable":                      {Labels: []string{"disable"}},
		"label:type:svirt_t":                 {Labels: []string{"type:svirt_t"}},
		"label=level:s0:c1,c2":               {Labels: []string{"level:s0:c1,c2"}},
		"no-new-privileges":                  {NoNewPrivileges: true},
		"no-new-privileges:true":             {NoNewPrivileges: true},
		"no-new-privileges=false":            {},
		"mask=/proc/a:/proc/b/":              {Mask: []string{"/proc/a", "/proc/b"}},
		"unmask=all":                         {Unmask: []string{"ALL"}},
		"unmask=/proc/*:/sys/firmware":       {Unmask: []string{"/proc/*", "/sys/firmware"}},
		"systempaths=unconfined":             {Unmask: []string{"ALL"}},
		"seccomp=/etc/containers/profile.js": {Seccomp: "/etc/containers/profile.js"},
	}
	for option, want := range tests {
		var got Security
		if err := got.Apply(option); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %+v, %v; want %+v", option, got, err, want)
		}
	}
	for _, option := range []string{
		"", "seccomp", "seccomp=", "seccomp:", "nonsense=1", "label=what", "label=type:", "label=disable:x", "no-new-privileges=perhaps",
		"mask=proc", "mask=/a::/b", "unmask=/[", "systempaths=x",
	} {
		var s Security
		if err := s.Apply(option); !errors.Is(err, errdefs.ErrInvalidArgument) || !strings.Contains(err.Error(), option) {
			t.Errorf("%q: got %v, want an invalid argument that names it", option, err)
		}
	}
}

func TestSysctlsAreParsed(t *testing.T) {
	for in, want := range map[string][2]string{
		"net.ipv4.ip_forward=1":         {"net.ipv4.ip_forward", "1"},
		"net/ipv4/ip_forward=1":         {"net.ipv4.ip_forward", "1"},
		"net/ipv4/conf/eth0.1/mtu=9":    {"net.ipv4.conf.eth0/1.mtu", "9"},
		"kernel.shmmax=1 2":             {"kernel.shmmax", "1 2"},
		"fs.mqueue.msg_max=10":          {"fs.mqueue.msg_max", "10"},
		"net.ipv4.ip_local_port_range=": {"net.ipv4.ip_local_port_range", ""},
	} {
		name, value, err := ParseSysctl(in)
		if err != nil || name != want[0] || value != want[1] {
			t.Errorf("%q: got %q=%q, %v; want %q", in, name, value, err, want)
		}
	}
}

func TestSysctlsThatWouldReachTheHostAreRefused(t *testing.T) {
	for _, in := range []string{
		"kernel.core_pattern=|/x", "kernel.hostname=x", "vm.swappiness=1", "net.ipv4.ip_forward", "=1", "",
		"kernel.shm_rmid_forced=1+kernel.core_pattern=|/evil", "net.a+b=1", "net.ipv4.ip_forward=1\nkernel.core_pattern=x",
		"net..x=1", "net.=1", "net./../kernel/core_pattern=1", "net/../kernel/core_pattern=1", "net.a//b=1", "net.\x00=1", "Net.x=1", "fs.file-max=1",
		"net/ipv4/..=1", ".net.x=1",
	} {
		if _, _, err := ParseSysctl(in); !errors.Is(err, errdefs.ErrInvalidArgument) {
			t.Errorf("%q: got %v, want an invalid argument", in, err)
		}
	}
}

func TestEnvironmentIsParsed(t *testing.T) {
	environ := []string{"HOME=/root", "LC_ALL=C", "LC_TIME=de", "EMPTY="}
	got, err := ParseEnv([]string{"A=1", "B=", "HOME", "MISSING", "LC_*", "C=x=y", "EMPTY"}, environ)
	want := []string{"A=1", "B=", "HOME=/root", "LC_ALL=C", "LC_TIME=de", "C=x=y", "EMPTY="}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	for _, s := range []string{"", "=x", "A=\x00"} {
		if _, err := ParseEnv([]string{s}, environ); !errors.Is(err, errdefs.ErrInvalidArgument) {
			t.Errorf("%q: got %v, want an invalid argument", s, err)
		}
	}
}

func TestEnvFilesAreParsedLineByLine(t *testing.T) {
	text := "\ufeffA=1\n# comment\n\n  B= two  \r\nHOME\nQ=\"x\"\nMISSING\n  # another\nE="
	got, err := ParseEnvFile(strings.NewReader(text), "f", []string{"HOME=/root"})
	want := []string{"A=1", "B= two  ", "HOME=/root", `Q="x"`, "E="}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	for text, says := range map[string]string{
		"A=1\nB C=2": "f, line 2", "=x": "f, line 1", "A=\xff": "not UTF-8", "A=" + strings.Repeat("x", maxLine): "longer than",
	} {
		if _, err := ParseEnvFile(strings.NewReader(text), "f", nil); !errors.Is(err, errdefs.ErrInvalidArgument) || !strings.Contains(err.Error(), says) {
			t.Errorf("%.20q: got %v, want an invalid argument that says %q", text, err, says)
		}
	}
}

func TestLabelsAreParsed(t *testing.T) {
	want := map[string]string{"a": "2", "b": "", "c": "x=y"}
	got, err := ParseLabels([]string{"a=1", "a=2", "b", "c=x=y"})
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	got, err = ParseLabelFile(strings.NewReader("a=2\n#x\nb\n\nc=x=y\n"), "f")
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("from a file: got %v, %v; want %v", got, err, want)
	}
	if _, err := ParseLabels([]string{"=x"}); !errors.Is(err, errdefs.ErrInvalidArgument) {
		t.Errorf("a label without a key: got %v, want an invalid argument", err)
	}
	if _, err := ParseLabelFile(strings.NewReader("x y=1"), "f"); !errors.Is(err, errdefs.ErrInvalidArgument) {
		t.Errorf("a key with a blank: got %v, want an invalid argument", err)
	}
}

func TestLogOptionsAreApplied(t *testing.T) {
	var l Log
	for _, o := range []string{"max-size=10m", "max-file=3", "path=/var/log/x/../c.log", "tag={{.Name}}"} {
		if err := l.Apply(o); err != nil {
			t.Errorf("%q: %v", o, err)
		}
	}
	if want := (Log{MaxSize: 10 << 20, MaxFiles: 3, Path: "/var/log/c.log", Tag: "{{.Name}}"}); !reflect.DeepEqual(l, want) {
		t.Errorf("got %+v, want %+v", l, want)
	}
	if err := l.Apply("max-size=-1"); err != nil || l.MaxSize != 0 {
		t.Errorf("max-size=-1: got %d, %v; want no bound", l.MaxSize, err)
	}
	for _, o := range []string{"", "max-size", "max-size=", "max-size=x", "max-file=0", "path=x", "tag=a\nb", "mode=blocking"} {
		if err := l.Apply(o); !errors.Is(err, errdefs.ErrInvalidArgument) {
			t.Errorf("%q: got %v, want an invalid argument", o, err)
		}
	}
}

func TestLogDriversAreChecked(t *testing.T) {
	for name, class := range map[string]error{
		"k8s-file": nil, "json-file": nil, "none": nil, "journald": errdefs.ErrNotImplemented, "nonsense": errdefs.ErrInvalidArgument,
	} {
		if err := CheckLogDriver(name); !errors.Is(err, class) {
			t.Errorf("%s: got %v, want %v", name, err, class)
		}
	}
}

func TestHealthCommandsAreParsed(t *testing.T) {
	check(t, ParseHealthCommand, []parsed[[]string]{
		{in: "curl -f http://x || exit 1", want: []string{"CMD-SHELL", "curl -f http://x || exit 1"}},
		{in: "none", want: []string{"NONE"}}, {in: `["NONE"]`, want: []string{"NONE"}},
		{in: `["curl","-f"]`, want: []string{"CMD", "curl", "-f"}}, {in: `["CMD","curl"]`, want: []string{"CMD", "curl"}},
		{in: `["CMD-SHELL","a b"]`, want: []string{"CMD-SHELL", "a b"}}, {in: "[ -e /x ]", want: []string{"CMD-SHELL", "[ -e /x ]"}},
		bad[[]string]("", "empty"), bad[[]string]("[]", "no words"), bad[[]string](`["CMD"]`, "no words"), bad[[]string](`["CMD-SHELL"]`, "one string"),
	})
	parse := func(s string) (time.Duration, error) { return ParseHealthDuration("health-interval", s) }
	check(t, parse, []parsed[time.Duration]{
		{in: "30s", want: 30 * time.Second}, {in: "disable", want: 0}, {in: "0s", want: 0},
		bad[time.Duration]("30", "not a duration"), bad[time.Duration]("-1s", "millisecond"), bad[time.Duration]("1us", "millisecond"),
	})
}

func TestHealthChecksAreValidated(t *testing.T) {
	for _, h := range []Health{{Retries: -1}, {Interval: -1}, {Timeout: time.Microsecond}, {OnFailure: "panic"}} {
		if err := h.Validate(); !errors.Is(err, errdefs.ErrInvalidArgument) {
			t.Errorf("%+v: got %v, want an invalid argument", h, err)
		}
	}
	if err := (Health{Interval: time.Second, OnFailure: "kill", Retries: 3}).Validate(); err != nil {
		t.Errorf("got %v, want none", err)
	}
}

func TestResourcesAreValidated(t *testing.T) {
	big := uint64(101)
	bad := []Resources{
		{Memory: -1}, {MemoryReservation: -1}, {MemorySwap: -2}, {MemorySwap: 1}, {Memory: 10, MemorySwap: 9}, {Memory: 10, MemoryReservation: 11},
		{MemorySwappiness: &big}, {BlkioWeight: 9}, {BlkioWeight: 1001}, {PidsLimit: -2}, {Cgroups: "split"}, {CPUPeriod: 999}, {CPUPeriod: 1000001},
		{CPUQuota: 999}, {CPUSetCPUs: "3-1"}, {CPUSetCPUs: "x"}, {CPUSetMems: ","}, {CPUSetCPUs: "0\n1"},
		{Cgroups: "disabled", Memory: 1 << 20}, {Cgroups: "disabled", PidsLimit: 1}, {Cgroups: "disabled", CgroupParent: "x.slice"},
	}
	for _, r := range bad {
		if err := r.Validate(); !errors.Is(err, errdefs.ErrInvalidArgument) {
			t.Errorf("%+v: got %v, want an invalid argument", r, err)
		}
	}
	good := Resources{Memory: 10, MemorySwap: -1, MemoryReservation: 5, BlkioWeight: 10, PidsLimit: -1, CPUPeriod: 1000, CPUQuota: -1, CPUSetCPUs: "0-3,8", CPUSetMems: "0"}
	if err := good.Validate(); err != nil {
		t.Errorf("%+v: got %v, want none", good, err)
	}
}

func TestTimesAreParsed(t *testing.T) {
	zone := time.FixedZone("east", 3600)
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, zone)
	for in, want := range map[string]time.Time{
		"2026-05-04T10:00:00Z": now.Add(-time.Hour), "2026-05-04T11:00:00": now.Add(-time.Hour), "2026-05-04": now.Add(-12 * time.Hour),
		"2026-05-04T11:00": now.Add(-time.Hour), "10m": now.Add(-10 * time.Minute), "1777892400": time.Unix(1777892400, 0),
		"1777892400.5": time.Unix(1777892400, 5e8), "-5m": now.Add(5 * time.Minute),
	} {
		if got, err := ParseTime(in, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: got %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "yesterday", "1.", "1.0000000001", "-1.5", "99999999999999999999", "2026-13-01"} {
		if _, err := ParseTime(in, now); !errors.Is(err, errdefs.ErrInvalidArgument) {
			t.Errorf("%q: got %v, want an invalid argument", in, err)
		}
	}
}
