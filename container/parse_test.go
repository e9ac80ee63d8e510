package container

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/berth-engine/berth/errdefs"
)

// parsed is one row of a table: what a value becomes, or the error's class and a part of its text.
type parsed[T any] struct {
	in    string
	want  T
	class error
	says  string
}

// check runs a table.
func check[T any](t *testing.T, parse func(string) (T, error), rows []parsed[T]) {
	t.Helper()
	for _, row := range rows {
		got, err := parse(row.in)
		if row.says == "" {
			if err != nil || !reflect.DeepEqual(got, row.want) {
				t.Errorf("%q: got %+v, %v; want %+v", row.in, got, err, row.want)
			}
			continue
		}
		class := row.class
		if class == nil {
			class = errdefs.ErrInvalidArgument
		}
		if !errors.Is(err, class) || !strings.Contains(err.Error(), row.says) {
			t.Errorf("%q: got %+v, %v; want an error of class %q that says %q", row.in, got, err, class, row.says)
		}
	}
}

func bad[T any](in, says string) parsed[T] { return parsed[T]{in: in, says: says} }

func notYet[T any](in, says string) parsed[T] {
	return parsed[T]{in: in, says: says, class: errdefs.ErrNotImplemented}
}

func TestVolumesAreParsed(t *testing.T) {
	bind := func(m Mount) Mount { m.Type = Bind; return m }
	volume := func(m Mount) Mount { m.Type = Volume; return m }
	check(t, func(s string) (Mount, error) { return ParseVolume(s, "/here") }, []parsed[Mount]{
		{in: "/src:/dst", want: bind(Mount{Source: "/src", Destination: "/dst"})},
		{in: "/src/:/dst/", want: bind(Mount{Source: "/src", Destination: "/dst"})},
		{in: "./x:/dst", want: bind(Mount{Source: "/here/x", Destination: "/dst"})},
		{in: ".:/dst", want: bind(Mount{Source: "/here", Destination: "/dst"})},
		{in: "../x:/dst", want: bind(Mount{Source: "/x", Destination: "/dst"})},
		{in: `/a\:b:/c\:d:ro`, want: bind(Mount{Source: "/a:b", Destination: "/c:d", ReadOnly: true})},
		{in: "data:/dst", want: volume(Mount{Source: "data", Destination: "/dst"})},
		{in: "/dst", want: volume(Mount{Destination: "/dst"})},
		{in: "data:/dst:", want: volume(Mount{Source: "data", Destination: "/dst"})},
		{in: "data:/dst:nocopy,ro", want: volume(Mount{Source: "data", Destination: "/dst", ReadOnly: true, NoCopy: true})},
		{in: "/src:/dst:rw,z,U", want: bind(Mount{Source: "/src", Destination: "/dst", Relabel: "z", Chown: true})},
		{in: "/src:/dst:Z,idmap", want: bind(Mount{Source: "/src", Destination: "/dst", Relabel: "Z", IDMap: true})},
		{in: "/src:/dst:rslave,noexec,nosuid,nodev,bind", want: bind(Mount{Source: "/src", Destination: "/dst",
			Options: []string{"rslave", "noexec", "nosuid", "nodev", "bind"}})},
		{in: "/src:/dst:cached", want: bind(Mount{Source: "/src", Destination: "/dst"})},
		bad[Mount]("", "names no directory"),
		bad[Mount](":/dst", "empty source"),
		bad[Mount]("/src:", "names no directory"),
		bad[Mount]("/src:dst", `"dst" is not an absolute path`),
		bad[Mount]("dst", `"dst" is not an absolute path`),
		bad[Mount]("/src:/", "root directory"),
		bad[Mount]("/src:/..", "root directory"),
		bad[Mount]("a b:/dst", "neither a path"),
		bad[Mount]("/a:/b:ro:x", "more than three parts"),
		bad[Mount]("/a:/b:ro,rw", "both ro and rw"),
		bad[Mount]("/a:/b:z,Z", "both z and Z"),
		bad[Mount]("/a:/b:shared,rslave", "both shared and rslave"),
		bad[Mount]("/a:/b:exec,noexec", "both exec and noexec"),
		bad[Mount]("/a:/b:ro,ro", "both ro and ro"),
		bad[Mount]("/a:/b:nonsense", `unknown option "nonsense"`),
		bad[Mount]("/a:/b:nocopy", "nocopy is for volumes"),
		bad[Mount]("/a\x00:/b", "zero byte"),
		bad[Mount]("/a:/b\x00", "zero byte"),
		notYet[Mount]("/a:/b:O", "overlay"),
		notYet[Mount]("/a:/b:idmap=uids=0-1-1", "idmap"),
	})
}

func TestMountFlagsAreParsed(t *testing.T) {
	check(t, func(s string) (Mount, error) { return ParseMount(s, "/here") }, []parsed[Mount]{
		{in: "type=bind,src=/a,dst=/b", want: Mount{Type: Bind, Source: "/a", Destination: "/b"}},
		{in: "type=bind,source=x,target=/b,readonly", want: Mount{Type: Bind, Source: "/here/x", Destination: "/b", ReadOnly: true}},
		{in: "src=/a,type=bind,destination=/b,ro=false", want: Mount{Type: Bind, Source: "/a", Destination: "/b"}},
		{in: "type=bind,src=/a,dst=/b,rw", want: Mount{Type: Bind, Source: "/a", Destination: "/b"}},
		{in: "type=bind,src=/a,dst=/b,rw=false", want: Mount{Type: Bind, Source: "/a", Destination: "/b", ReadOnly: true}},
		{in: `type=bind,"src=/a,b",dst=/b`, want: Mount{Type: Bind, Source: "/a,b", Destination: "/b"}},
		{in: "type=bind,src=/a,dst=/b,bind-propagation=rshared", want: Mount{Type: Bind, Source: "/a", Destination: "/b", Options: []string{"rshared"}}},
		{in: "type=bind,src=/a,dst=/b,bind-nonrecursive", want: Mount{Type: Bind, Source: "/a", Destination: "/b", Options: []string{"bind"}}},
		{in: "type=bind,src=/a,dst=/b,bind-recursive=readonly,ro", want: Mount{Type: Bind, Source: "/a", Destination: "/b", ReadOnly: true,
			Options: []string{"rbind", "rro"}}},
		{in: "type=bind,src=/a,dst=/b,relabel=private,U=true,idmap", want: Mount{Type: Bind, Source: "/a", Destination: "/b", Relabel: "Z", Chown: true, IDMap: true}},
		{in: "type=bind,src=/a,dst=/b,z,noexec,consistency=cached,bind-create-src", want: Mount{Type: Bind, Source: "/a", Destination: "/b",
			Relabel: "z", Options: []string{"noexec"}, CreateSource: true}},
		{in: "type=volume,src=data,dst=/b,volume-nocopy,subpath=x/y", want: Mount{Type: Volume, Source: "data", Destination: "/b", NoCopy: true, Subpath: "x/y"}},
		{in: "dst=/b", want: Mount{Type: Volume, Destination: "/b"}},
		{in: "type=volume,dst=/b,volume-driver=local,volume-subpath=./x/,chown", want: Mount{Type: Volume, Destination: "/b", Subpath: "x", Chown: true}},
		{in: "type=tmpfs,dst=/b,tmpfs-size=64m,tmpfs-mode=1777,notmpcopyup", want: Mount{Type: Tmpfs, Destination: "/b",
			Options: []string{"size=67108864", "mode=1777", "notmpcopyup"}}},
		{in: "type=tmpfs,dst=/b,tmpfs-size=10%,ro,noexec", want: Mount{Type: Tmpfs, Destination: "/b", ReadOnly: true, Options: []string{"size=10%", "noexec"}}},
		bad[Mount]("", "not a list"),
		bad[Mount](`type=bind,"src=/a`, "not a list"),
		bad[Mount]("type=bind,src=/a\n,dst=/b", "not a list"),
		bad[Mount]("type=bind,src=/a", "give dst="),
		bad[Mount]("type=bind,dst=/b", "give src="),
		bad[Mount]("type=bind,src=,dst=/b", "give src="),
		bad[Mount]("type=bind,src=/a,dst=b", "not an absolute path"),
		bad[Mount]("type=bind,src=/a,dst=/b,ro,rw", "both ro and rw"),
		bad[Mount]("type=bind,src=/a,dst=/b,ro=maybe", "true or false"),
		bad[Mount]("type=bind,src=/a,dst=/b,bind-propagation=wide", "unknown propagation"),
		bad[Mount]("type=bind,src=/a,dst=/b,bind-propagation=shared,private", "both shared and private"),
		bad[Mount]("type=bind,src=/a,dst=/b,volume-nocopy", `unknown key "volume-nocopy"`),
		bad[Mount]("type=bind,src=/a,dst=/b,relabel=much", "relabel is shared or private"),
		bad[Mount]("type=bind,src=/a,dst=/b,consistency=total", "unknown consistency"),
		bad[Mount]("type=bind,src=/a,dst=/b,bind-recursive=x", "bind-recursive is"),
		bad[Mount]("type=bind,src=/\x00,dst=/b", "zero byte"),
		bad[Mount]("type=volume,src=/a,dst=/b", "needs type=bind"),
		bad[Mount]("type=volume,src=d,dst=/b,subpath=../x", "not a path below"),
		bad[Mount]("type=volume,src=d,dst=/b,subpath=/x", "not a path below"),
		bad[Mount]("type=tmpfs,src=/a,dst=/b", "no source"),
		bad[Mount]("type=tmpfs,dst=/b,tmpfs-mode=9", "octal"),
		bad[Mount]("type=tmpfs,dst=/b,tmpfs-size=big", "not a number of bytes"),
		bad[Mount]("type=odd,dst=/b", "unknown type"),
		notYet[Mount]("type=image,src=x,dst=/b", "mounts of type image"),
		notYet[Mount]("type=volume,dst=/b,volume-driver=nfs", "volume driver"),
		notYet[Mount]("type=volume,dst=/b,volume-opt=o=x", "make the volume first"),
	})
}

func TestTmpfsIsParsed(t *testing.T) {
	tmpfs := func(d string, options ...string) Mount { return Mount{Type: Tmpfs, Destination: d, Options: options} }
	check(t, ParseTmpfs, []parsed[Mount]{
		{in: "/run", want: tmpfs("/run")},
		{in: "/run:size=64m,mode=1777,noexec", want: tmpfs("/run", "size=67108864", "mode=1777", "noexec")},
		{in: "/run:rw,size=50%,uid=1000,gid=5,nr_inodes=1k,huge=always,tmpcopyup", want: tmpfs("/run", "size=50%", "uid=1000", "gid=5", "nr_inodes=1k", "huge=always", "tmpcopyup")},
		{in: "/run:ro,U", want: Mount{Type: Tmpfs, Destination: "/run", ReadOnly: true, Chown: true}},
		bad[Mount]("run", "not an absolute path"),
		bad[Mount]("/", "root directory"),
		bad[Mount]("/run:size=x", "not a number of bytes"),
		bad[Mount]("/run:size=101%", "not a percentage"),
		bad[Mount]("/run:mode=rwx", "octal"),
		bad[Mount]("/run:huge=very", "huge is"),
		bad[Mount]("/run:uid=root", "not a number"),
		bad[Mount]("/run:exec,noexec", "both exec and noexec"),
		bad[Mount]("/run:source=/x", "unknown option"),
	})
}

func TestDevicesAreParsed(t *testing.T) {
	check(t, ParseDevice, []parsed[Device]{
		{in: "/dev/fuse", want: Device{"/dev/fuse", "/dev/fuse", "rwm"}},
		{in: "/dev/a:/dev/b", want: Device{"/dev/a", "/dev/b", "rwm"}},
		{in: "/dev/a:r", want: Device{"/dev/a", "/dev/a", "r"}},
		{in: "/dev/a:/dev/b:mr", want: Device{"/dev/a", "/dev/b", "mr"}},
		{in: "/dev/snd/", want: Device{"/dev/snd", "/dev/snd", "rwm"}},
		bad[Device]("", "absolute path"),
		bad[Device]("fuse", "absolute path"),
		bad[Device]("/dev/a:b", "neither an absolute path"),
		bad[Device]("/dev/a:/dev/b:x", `access "x"`),
		bad[Device]("/dev/a:/dev/b:rr", `access "rr"`),
		bad[Device]("/dev/a:/dev/b:", `access ""`),
		bad[Device]("/dev/a:/dev/b:r:w", "more than three parts"),
		notYet[Device]("vendor.com/gpu=all", "Container Device Interface"),
	})
}

func TestUlimitsAreParsed(t *testing.T) {
	limit := func(name string, soft, hard int64) Rlimit {
		return Rlimit{Name: name, Soft: soft, Hard: hard, Asked: true}
	}
	check(t, ParseUlimit, []parsed[Rlimit]{
		{in: "nofile=1024", want: limit("nofile", 1024, 1024)},
		{in: "nofile=1024:4096", want: limit("nofile", 1024, 4096)},
		{in: "core=-1", want: limit("core", -1, -1)},
		{in: "RLIMIT_NPROC=10:unlimited", want: limit("nproc", 10, -1)},
		bad[Rlimit]("nofile", "NAME=SOFT"),
		bad[Rlimit]("files=1", "unknown limit"),
		bad[Rlimit]("nofile=", "is a number"),
		bad[Rlimit]("nofile=1:", "is a number"),
		bad[Rlimit]("nofile=-2", "is a number"),
		bad[Rlimit]("nofile=5:4", "above the hard one"),
		bad[Rlimit]("nofile=-1:4", "above the hard one"),
	})
}

func TestRestartPoliciesAreParsed(t *testing.T) {
	check(t, ParseRestart, []parsed[RestartPolicy]{
		{in: "", want: RestartPolicy{}},
		{in: "no", want: RestartPolicy{Name: "no"}},
		{in: "always", want: RestartPolicy{Name: "always"}},
		{in: "unless-stopped", want: RestartPolicy{Name: "unless-stopped"}},
		{in: "on-failure", want: RestartPolicy{Name: "on-failure"}},
		{in: "on-failure:3", want: RestartPolicy{Name: "on-failure", MaxRetries: 3}},
		bad[RestartPolicy]("always:3", "only on-failure"),
		bad[RestartPolicy]("on-failure:", "number of retries"),
		bad[RestartPolicy]("on-failure:-1", "number of retries"),
		bad[RestartPolicy]("sometimes", "unknown"),
	})
}

func TestNamespacesAreParsed(t *testing.T) {
	type ns = Namespace
	kinds := map[NamespaceKind][]parsed[ns]{
		PIDNamespace: {
			{in: "", want: ns{}}, {in: "host", want: ns{Mode: Host}}, {in: "private", want: ns{Mode: Private}},
			{in: "container:db", want: ns{FromContainer, "db"}}, {in: "ns:/proc/1/ns/pid", want: ns{FromPath, "/proc/1/ns/pid"}},
			bad[ns]("shareable", "unknown"), bad[ns]("container:", "names no container"), bad[ns]("container", "names no container"),
			bad[ns]("ns:x", "absolute"), bad[ns]("host:x", "takes nothing"), bad[ns]("none", "unknown"), bad[ns]("pod", "unknown"),
		},
		IPCNamespace:    {{in: "none", want: ns{Mode: None}}, {in: "shareable", want: ns{Mode: Shareable}}, {in: "private", want: ns{Mode: Private}}},
		UTSNamespace:    {{in: "host", want: ns{Mode: Host}}, bad[ns]("none", "unknown")},
		CgroupNamespace: {{in: "host", want: ns{Mode: Host}}, {in: "private", want: ns{Mode: Private}}, bad[ns]("auto", "unknown")},
		UserNamespace: {
			{in: "host", want: ns{Mode: Host}}, {in: "auto", want: ns{Mode: Auto}}, {in: "auto:size=65536", want: ns{Auto, "size=65536"}},
			bad[ns]("auto:size=0", "size"), bad[ns]("auto:what=1", "unknown option"), bad[ns]("auto:uidmapping=1", "ID map"),
			notYet[ns]("keep-id", "without root"), notYet[ns]("keep-id:uid=1", "without root"), notYet[ns]("nomap", "without root"),
		},
		NetworkNamespace: {
			{in: "none", want: ns{Mode: None}}, {in: "private", want: ns{Mode: None}}, {in: "host", want: ns{Mode: Host}},
			{in: "container:web", want: ns{FromContainer, "web"}}, {in: "ns:/run/netns/x", want: ns{FromPath, "/run/netns/x"}},
			notYet[ns]("bridge", "bridge networks"), notYet[ns]("mynet", "bridge networks"), notYet[ns]("slirp4netns:port_handler=x", "without root"),
			notYet[ns]("pasta", "without root"), bad[ns]("my net", "unknown"),
		},
	}
	for kind, rows := range kinds {
		check(t, func(s string) (Namespace, error) { return ParseNamespace(kind, s) }, rows)
	}
}

func TestIDMapsAreParsed(t *testing.T) {
	check(t, ParseIDMap, []parsed[IDMap]{
		{in: "0:100000:65536", want: IDMap{0, 100000, 65536}},
		{in: "5:6", want: IDMap{5, 6, 1}},
		bad[IDMap]("0", "CONTAINER:HOST"), bad[IDMap]("0:1:2:3", "CONTAINER:HOST"), bad[IDMap]("a:1:1", "CONTAINER:HOST"),
		bad[IDMap]("-1:1:1", "CONTAINER:HOST"), bad[IDMap]("0:1:0", "empty"), bad[IDMap]("0:4294967295:1", "beyond"),
		bad[IDMap]("4294967290:0:10", "beyond"),
	})
	check(t, ParseAutoMaps, []parsed[AutoMaps]{
		{in: "", want: AutoMaps{}},
		{in: "size=10,uidmapping=0:1:2,gidmapping=3:4:5", want: AutoMaps{10, []IDMap{{0, 1, 2}}, []IDMap{{3, 4, 5}}}},
		bad[AutoMaps]("size=x", "size"),
	})
}

func TestSizesAreParsed(t *testing.T) {
	check(t, ParseSize, []parsed[int64]{
		{in: "0", want: 0}, {in: "1024", want: 1024}, {in: "5b", want: 5}, {in: "1k", want: 1024}, {in: "1K", want: 1024},
		{in: "64m", want: 64 << 20}, {in: "1.5g", want: 3 << 29}, {in: "2GiB", want: 2 << 30}, {in: "1 MB", want: 1 << 20}, {in: " 7 ", want: 7},
		{in: "0.1k", want: 102}, {in: "1t", want: 1 << 40}, {in: "9223372036854775807", want: 1<<63 - 1},
		bad[int64]("", "not a number of bytes"), bad[int64]("m", "not a number of bytes"), bad[int64]("-1", "not a number of bytes"),
		bad[int64]("1x", "not a number of bytes"), bad[int64]("1.2.3", "not a number of bytes"), bad[int64]("1e3", "not a number of bytes"),
		bad[int64](".", "not a number of bytes"), bad[int64]("8192p", "too large"), bad[int64]("9223372036854775808", "too large"),
	})
	check(t, ParseSizeOrUnlimited, []parsed[int64]{{in: "-1", want: -1}, {in: "1k", want: 1024}, bad[int64]("-2", "not a number of bytes")})
}

func TestCPUsBecomePeriodAndQuota(t *testing.T) {
	for in, want := range map[string]int64{"1": 100000, "0.5": 50000, "1.5": 150000, "0.01": 1000, "0": 0, ".25": 25000} {
		period, quota, err := ParseCPUs(in)
		wantPeriod := uint64(100000)
		if want == 0 {
			wantPeriod = 0
		}
		if err != nil || quota != want || period != wantPeriod {
			t.Errorf("%q: got %d/%d, %v; want %d/%d", in, quota, period, err, want, wantPeriod)
		}
	}
	for _, in := range []string{"", "x", "-1", "1/2", "1e3", "0x1", "0.001", strings.Repeat("9", 30), "1_0"} {
		if _, _, err := ParseCPUs(in); !errors.Is(err, errdefs.ErrInvalidArgument) {
			t.Errorf("%q: got %v, want an invalid argument", in, err)
		}
	}
}

func TestAddedHostsAreParsed(t *testing.T) {
	check(t, ParseAddHost, []parsed[[]string]{
		{in: "db:10.0.0.2", want: []string{"db:10.0.0.2"}}, {in: "db=10.0.0.2", want: []string{"db:10.0.0.2"}},
		{in: "db:host-gateway", want: []string{"db:host-gateway"}}, {in: "db:fe80::1", want: []string{"db:fe80::1"}},
		{in: "db:[::1]", want: []string{"db:::1"}}, {in: "a;b:10.0.0.2", want: []string{"a:10.0.0.2", "b:10.0.0.2"}},
		bad[[]string]("db", "NAME:IP"), bad[[]string](":10.0.0.2", "NAME:IP"), bad[[]string]("db:", "IP address"),
		bad[[]string]("db:10.0.0", "IP address"), bad[[]string]("d b:10.0.0.2", "not a host's name"),
		bad[[]string]("a;;b:10.0.0.2", "not a host's name"), bad[[]string]("a\nb:10.0.0.2", "not a host's name"),
		bad[[]string]("db:fe80::1%eth0\n6.6.6.6 evil", "IP address"), bad[[]string]("db:[fe80::1%a b]", "IP address"),
	})
}

func TestHostNamesAreChecked(t *testing.T) {
	for _, name := range []string{"a", "web-1", "a.b.c", "A_b", strings.Repeat("x", 64)} {
		if err := CheckHostname(name); err != nil {
			t.Errorf("%q: got %v, want none", name, err)
		}
	}
	for _, name := range []string{"", "-a", "a-", "a..b", ".a", "a b", "a\n", "ü", strings.Repeat("x", 65)} {
		if err := CheckHostname(name); !errors.Is(err, errdefs.ErrInvalidArgument) {
			t.Errorf("%q: got %v, want an invalid argument", name, err)
		}
	}
}

func TestPortsAreParsed(t *testing.T) {
	port := func(ip string, host, container, count uint16, protocol string) Port {
		return Port{HostIP: ip, HostPort: host, ContainerPort: container, Range: count, Protocol: protocol}
	}
	check(t, ParsePort, []parsed[Port]{
		{in: "80", want: port("", 0, 80, 1, "tcp")}, {in: "80/udp", want: port("", 0, 80, 1, "udp")},
		{in: "8080:80", want: port("", 8080, 80, 1, "tcp")}, {in: ":80", want: port("", 0, 80, 1, "tcp")}, {in: "0:80", want: port("", 0, 80, 1, "tcp")},
		{in: "127.0.0.1:8080:80/TCP", want: port("127.0.0.1", 8080, 80, 1, "tcp")}, {in: "127.0.0.1::80", want: port("127.0.0.1", 0, 80, 1, "tcp")},
		{in: "[::1]:8080:80/sctp", want: port("::1", 8080, 80, 1, "sctp")}, {in: "[::]::80", want: port("::", 0, 80, 1, "tcp")},
		{in: "8000-8009:9000-9009", want: port("", 8000, 9000, 10, "tcp")}, {in: "9000-9001", want: port("", 0, 9000, 2, "tcp")}, {in: "::80", want: port("", 0, 80, 1, "tcp")},
		bad[Port]("", "not a port"), bad[Port]("0", "not a port"), bad[Port]("65536", "not a port"), bad[Port]("x:80", "not a port"),
		bad[Port]("80/icmp", "unknown protocol"), bad[Port]("80/", "unknown protocol"), bad[Port]("9-8:9-8", "not a port"),
		bad[Port]("8000-8001:80", "same length"), bad[Port]("8000:80-81", "same length"), bad[Port]("1.2.3:80:80", "not an IP address"),
		bad[Port]("::1:80:80", "in brackets"), bad[Port]("[1.2.3.4]:80:80", "in brackets"), bad[Port]("[::1]:80", "empty host port"),
		bad[Port]("[fe80::1%eth0]:80:80", "not an IP address"), bad[Port]("1-65535:1-65536", "not a port"),
	})
}

func TestSignalsAreParsed(t *testing.T) {
	check(t, ParseSignal, []parsed[int]{
		{in: "TERM", want: 15}, {in: "SIGTERM", want: 15}, {in: "sigkill", want: 9}, {in: "9", want: 9}, {in: "64", want: 64}, {in: " hup ", want: 1},
		{in: "RTMIN", want: 34}, {in: "SIGRTMIN+3", want: 37}, {in: "rtmax-1", want: 63}, {in: "RTMAX", want: 64}, {in: "USR1", want: 10},
		bad[int]("", "unknown signal"), bad[int]("0", "not within"), bad[int]("65", "not within"), bad[int]("-9", "not within"), bad[int]("+9", "not within"),
		bad[int]("NOPE", "unknown signal"), bad[int]("RTMIN+31", "unknown signal"), bad[int]("RTMAX+1", "unknown signal"), bad[int]("RTMIN3", "unknown signal"),
	})
	for n := 1; n <= 64; n++ {
		name := SignalName(n)
		if got, err := ParseSignal(name); err != nil || got != n {
			t.Errorf("signal %d is named %s, which is parsed as %d, %v", n, name, got, err)
		}
	}
}

func TestUsersAreChecked(t *testing.T) {
	for _, s := range []string{"root", "0", "1000:1000", "www-data:www-data", ":5", "a.b", "2147483647", "user@domain", "DOM\\user"} {
		if err := CheckUser(s); err != nil {
			t.Errorf("%q: got %v, want none", s, err)
		}
	}
	for _, s := range []string{"", ":", "a:", "a:b:c", "a b", "a\nb", "-1", "2147483648", "0:4294967296", "99999999999999999999", "a/b", "x\x00"} {
		if err := CheckUser(s); !errors.Is(err, errdefs.ErrInvalidArgument) {
			t.Errorf("%q: got %v, want an invalid argument", s, err)
		}
	}
}

func TestUmasksAreParsed(t *testing.T) {
	check(t, ParseUmask, []parsed[string]{
		{in: "22", want: "0022"}, {in: "0", want: "0000"}, {in: "0777", want: "0777"},
		bad[string]("", "octal"), bad[string]("8", "octal"), bad[string]("1000", "octal"), bad[string]("00022", "octal"), bad[string]("-1", "octal"),
	})
}

func TestDetachKeysAreParsed(t *testing.T) {
	check(t, ParseDetachKeys, []parsed[[]byte]{
		{in: "", want: nil}, {in: DefaultDetachKeys, want: []byte{16, 17}}, {in: "a", want: []byte{'a'}}, {in: "ctrl-a,b", want: []byte{1, 'b'}},
		{in: "ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_", want: []byte{0, 27, 28, 29, 30, 31}}, {in: "CTRL-Z", want: []byte{26}},
		bad[[]byte]("ctrl-", "neither"), bad[[]byte]("ctrl-1", "neither"), bad[[]byte]("a,,b", "neither"), bad[[]byte]("alt-x", "neither"), bad[[]byte]("ü", "neither"),
	})
}

func TestCapabilitiesAreNamedOneWay(t *testing.T) {
	check(t, ParseCapability, []parsed[string]{
		{in: "NET_ADMIN", want: "CAP_NET_ADMIN"}, {in: "cap_net_admin", want: "CAP_NET_ADMIN"}, {in: "all", want: "ALL"}, {in: "CAP_ALL", want: "ALL"},
		{in: "checkpoint_restore", want: "CAP_CHECKPOINT_RESTORE"}, bad[string]("", "unknown capability"), bad[string]("CAP_", "unknown capability"), bad[string]("NET_ADMINS", "unknown capability"),
	})
	got, err := ParseCapabilities([]string{"kill,chown", "CAP_KILL"})
	if want := []string{"CAP_KILL", "CAP_CHOWN"}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
}

func TestNamesAreChecked(t *testing.T) {
	for _, s := range []string{"a", "0", "web-1", "a_b.c", strings.Repeat("x", 128)} {
		if err := CheckName(s); err != nil {
			t.Errorf("%q: got %v, want none", s, err)
		}
	}
	for _, s := range []string{"", "-a", ".a", "_a", "a/b", "a b", "a\n", "é", "a:b", strings.Repeat("x", 129)} {
		if err := CheckName(s); !errors.Is(err, errdefs.ErrInvalidArgument) {
			t.Errorf("%q: got %v, want an invalid argument", s, err)
		}
	}
}
