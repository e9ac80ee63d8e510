package rootfs

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/berth-engine/berth/errdefs"
)

const hostHosts = "127.0.0.1 localhost # me\n# note\n127.0.1.1\tmyhost.example myhost\n::1 localhost ip6-localhost\nbad line here\n10.0.0.9 db host.docker.internal\n"

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func TestHostsFile(t *testing.T) {
	for _, tc := range []struct {
		name string
		in   HostsInput
		want string
	}{
		{"nothing", HostsInput{}, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"},
		{"no network", HostsInput{Base: []byte(hostHosts), Addresses: []netip.Addr{addr("127.0.0.1")}, Names: []string{"abc", "web"}},
			"127.0.0.1\tlocalhost\n127.0.1.1\tmyhost.example myhost\n::1\tlocalhost ip6-localhost\n10.0.0.9\tdb\n127.0.0.1\tabc web\n"},
		{"the host's network", HostsInput{Base: []byte(hostHosts), Names: []string{"myhost", "web"}},
			"127.0.0.1\tlocalhost\n127.0.1.1\tmyhost.example myhost\n::1\tlocalhost ip6-localhost\n10.0.0.9\tdb\n"},
		{"a bridge", HostsInput{Base: []byte(hostHosts), Addresses: []netip.Addr{addr("10.88.0.5"), addr("fd00::5")}, Names: []string{"myhost", "web", "web"},
			Gateway: addr("10.88.0.1"), Add: []string{"db:10.1.1.1", "gw:host-gateway", "a;b:[fd00::9]"}},
			"10.1.1.1\tdb\n10.88.0.1\tgw\nfd00::9\ta b\n127.0.0.1\tlocalhost\n127.0.1.1\tmyhost.example\n::1\tlocalhost ip6-localhost\n" +
				"10.88.0.1\thost.containers.internal host.docker.internal\n10.88.0.5\tmyhost web\nfd00::5\tmyhost web\n"},
		{"the user's word is the last", HostsInput{Base: []byte(hostHosts), Addresses: []netip.Addr{addr("10.88.0.5")}, Names: []string{"web"},
			Gateway: addr("10.88.0.1"), Add: []string{"localhost:10.9.9.9", "web:10.9.9.8", "host.docker.internal:10.9.9.7"}},
			"10.9.9.9\tlocalhost\n10.9.9.8\tweb\n10.9.9.7\thost.docker.internal\n127.0.1.1\tmyhost.example myhost\n::1\tip6-localhost\n10.0.0.9\tdb\n" +
				"10.88.0.1\thost.containers.internal\n"},
	} {
		got, err := HostsFile(tc.in)
		if err != nil || string(got) != tc.want {
			t.Errorf("%s: expected\n%sgot\n%s%v", tc.name, tc.want, got, err)
		}
	}
}

func TestAddHostRefuses(t *testing.T) {
	for _, spec := range []string{"", "x", "x:", ":1.2.3.4", "x:y", "a b:1.2.3.4", "a\n1.2.3.4 b:1.2.3.4", "a;:1.2.3.4", "#a:1.2.3.4", "x:[::1", "x:1.2.3.4\n",
		"x:fe80::1%eth0\n6.6.6.6 evil", "x:fe80::1%a b"} {
		if got, err := HostsFile(HostsInput{Add: []string{spec}}); !errors.Is(err, errdefs.ErrInvalidArgument) {
			t.Errorf("%q: expected ErrInvalidArgument, got %q, %v", spec, got, err)
		}
	}
	if _, err := HostsFile(HostsInput{Add: []string{"x:host-gateway"}}); !errors.Is(err, errdefs.ErrInvalidArgument) {
		t.Errorf("host-gateway without one: expected ErrInvalidArgument, got %v", err)
	}
}

func TestResolvConf(t *testing.T) {
	const host = "# made by\nnameserver 127.0.0.53\nnameserver 192.168.1.1 ; router\nnameserver fe80::1%eth0\nnameserver 2001:db8::1\nnameserver x\n" +
		"domain old.example\nsearch a.example b.example\noptions ndots:2\noptions edns0 trust-ad\n"
	const tail = "options ndots:2 edns0 trust-ad\n"
	const search = "search a.example b.example\n"
	for _, tc := range []struct {
		name string
		in   ResolvInput
		want string
	}{
		{"own network", ResolvInput{Host: []byte(host)}, search + "nameserver 192.168.1.1\n" + tail},
		{"own network with IPv6", ResolvInput{Host: []byte(host), IPv6: true}, search + "nameserver 192.168.1.1\nnameserver 2001:db8::1\n" + tail},
		{"the host's network", ResolvInput{Host: []byte(host), HostNetwork: true},
			search + "nameserver 127.0.0.53\nnameserver 192.168.1.1\nnameserver fe80::1%eth0\nnameserver 2001:db8::1\n" + tail},
		{"only loopback", ResolvInput{Host: []byte("nameserver 127.0.0.1\nnameserver ::1\n")}, "nameserver 8.8.8.8\nnameserver 8.8.4.4\n"},
		{"no file", ResolvInput{}, "nameserver 8.8.8.8\nnameserver 8.8.4.4\n"},
		{"no file, the host's network", ResolvInput{HostNetwork: true}, ""},
		{"chosen", ResolvInput{Host: []byte(host), Servers: []string{"127.0.0.1", "1.1.1.1"}, Search: []string{"x.example"}, Options: []string{"rotate"}},
			"search x.example\nnameserver 127.0.0.1\nnameserver 1.1.1.1\noptions rotate\n"},
		{"no search", ResolvInput{Host: []byte(host), Search: []string{"."}}, "nameserver 192.168.1.1\n" + tail},
	} {
		got, err := ResolvConf(tc.in)
		if err != nil || string(got) != tc.want {
			t.Errorf("%s: expected\n%sgot\n%s%v", tc.name, tc.want, got, err)
		}
	}
	for _, in := range []ResolvInput{
		{Servers: []string{"x"}}, {Servers: []string{"1.1.1.1\nx"}}, {Servers: []string{"fe80::1%eth0\nnameserver 6.6.6.6"}}, {Search: []string{"a b"}}, {Options: []string{"a\nnameserver 6.6.6.6"}}, {Search: []string{""}},
	} {
		if got, err := ResolvConf(in); !errors.Is(err, errdefs.ErrInvalidArgument) {
			t.Errorf("%+v: expected ErrInvalidArgument, got %q, %v", in, got, err)
		}
	}
}

func TestContainerEnvTellsPrivilegedContainersOnly(t *testing.T) {
	in := ContainerEnvInput{Engine: "berth-1.0", Name: "web", ID: "abc", Image: "docker.io/library/x:1", ImageID: "def"}
	if got := ContainerEnv(in); len(got) != 0 {
		t.Errorf("expected an empty file, got %q", got)
	}
	in.Privileged = true
	want := "engine=\"berth-1.0\"\nname=\"web\"\nid=\"abc\"\nimage=\"docker.io/library/x:1\"\nimageid=\"def\"\nrootless=0\n"
	if got := string(ContainerEnv(in)); got != want {
		t.Errorf("expected %q, got %q", want, got)
	}
}

// FuzzHostsFile: what a user adds makes lines of an address and names only.
func FuzzHostsFile(f *testing.F) {
	f.Add("db:10.0.0.1", hostHosts)
	f.Fuzz(func(t *testing.T, add, base string) {
		got, err := HostsFile(HostsInput{Base: []byte(base), Add: []string{add}})
		if err != nil {
			return
		}
		var h hosts
		h.base(got, nil)
		if h.out.String() != string(got) {
			t.Errorf("expected lines that read back the same, got %q and then %q", got, h.out.String())
		}
	})
}
