package rootfs

import (
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

const passwdFile = `root:x:0:0:root:/root:/bin/bash
# a comment
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin

broken
broken2:x
:x:5:5::/:/bin/sh
neg:x:-1:0::/:/bin/sh
huge:x:4294967296:0::/:/bin/sh
over:x:2147483648:0::/:/bin/sh
short:x:7:8
+nis:x:0:0::/:
www:x:33:33:www:/var/www:/bin/sh
www:x:0:0:again:/root:/bin/sh
1000:x:0:0:a number for a name:/root:/bin/sh
nohome:x:40:40:::
oddhome:x:41:41::relative:/bin/sh
crlf:x:42:42::/home/crlf:/bin/sh` + "\r\n"

const groupFile = `root:x:0:
broken
daemon:x:1:www,other
adm:x:4:other,www
huge:x:4294967296:www
www:x:33:
staff:x:50:other
video:x:44:www,www
shadow:x:2147483648:www
`

func userRoot(t testing.TB) (*Root, string) {
	root, dir, _ := newRoot(t)
	must(t, os.Mkdir(dir+"/etc", 0o755))
	must(t, os.WriteFile(dir+"/etc/passwd", []byte(passwdFile), 0o644))
	must(t, os.WriteFile(dir+"/etc/group", []byte(groupFile), 0o644))
	return root, dir
}

func TestResolveUser(t *testing.T) {
	root, _ := userRoot(t)
	for _, tc := range []struct {
		spec  string
		extra []string
		want  User
	}{
		{"", nil, User{0, 0, []uint32{0}, "/root", "root"}},
		{"0", nil, User{0, 0, []uint32{0}, "/root", "root"}},
		{"www", nil, User{33, 33, []uint32{33, 1, 4, 44}, "/var/www", "www"}},
		{"33", nil, User{33, 33, []uint32{33, 1, 4, 44}, "/var/www", "www"}},
		{"www:staff", nil, User{33, 50, []uint32{50}, "/var/www", "www"}},
		{"www:77", nil, User{33, 77, []uint32{77}, "/var/www", "www"}},
		{":staff", nil, User{0, 50, []uint32{50}, "/root", "root"}},
		{"1000", nil, User{1000, 0, []uint32{0}, "/", ""}},
		{"1000:1000", []string{"video", "9", "1000"}, User{1000, 1000, []uint32{1000, 44, 9}, "/", ""}},
		{"daemon", []string{"staff", "staff"}, User{1, 1, []uint32{1, 50}, "/usr/sbin", "daemon"}},
		{"2147483647", nil, User{2147483647, 0, []uint32{0}, "/", ""}},
		{"short", nil, User{7, 8, []uint32{8}, "/", "short"}},
		{"nohome", nil, User{40, 40, []uint32{40}, "/", "nohome"}},
		{"oddhome", nil, User{41, 41, []uint32{41}, "/", "oddhome"}},
		{"crlf", nil, User{42, 42, []uint32{42}, "/home/crlf", "crlf"}},
	} {
		got, err := ResolveUser(root, tc.spec, tc.extra)
		if err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%q and %q: expected %+v, got %+v, %v", tc.spec, tc.extra, tc.want, got, err)
		}
	}
}

func TestResolveUserRefuses(t *testing.T) {
	root, _ := userRoot(t)
	for _, tc := range []struct {
		spec  string
		extra []string
		want  error
		text  string
	}{
		{"nobody", nil, errdefs.ErrNotFound, "unable to find user nobody: no matching entry in passwd file"},
		{"www:nogroup", nil, errdefs.ErrNotFound, "unable to find group nogroup: no matching entry in group file"},
		{"www", []string{"nogroup"}, errdefs.ErrNotFound, "unable to find group nogroup: no matching entry in group file"},
		// What does not fit 31 bits must become neither 0 nor a name (CVE-2024-40635).
		{"2147483648", nil, errdefs.ErrInvalidArgument, "range"},
		{"4294967296", nil, errdefs.ErrInvalidArgument, "range"},
		{"18446744073709551616", nil, errdefs.ErrInvalidArgument, "range"},
		{"-1", nil, errdefs.ErrInvalidArgument, "range"},
		{"+0", nil, errdefs.ErrInvalidArgument, "range"},
		{"0:4294967296", nil, errdefs.ErrInvalidArgument, "range"},
		{"0", []string{"4294967296"}, errdefs.ErrInvalidArgument, "range"},
		{"huge", nil, errdefs.ErrNotFound, "huge"},
		{"over", nil, errdefs.ErrNotFound, "over"},
		{"neg", nil, errdefs.ErrNotFound, "neg"},
		{"broken", nil, errdefs.ErrNotFound, "broken"},
		{"+nis", nil, errdefs.ErrNotFound, "+nis"},
	} {
		got, err := ResolveUser(root, tc.spec, tc.extra)
		if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.text) {
			t.Errorf("%q and %q: expected %v with %q, got %+v, %v", tc.spec, tc.extra, tc.want, tc.text, got, err)
		}
	}
}

func TestUserFilesThatCannotBeTrusted(t *testing.T) {
	root, dir := userRoot(t)
	for what, replace := range map[string]func(path string) error{
		"a FIFO":         func(p string) error { return unix.Mkfifo(p, 0o644) },
		"a device":       func(p string) error { return unix.Mknod(p, unix.S_IFCHR|0o644, int(unix.Mkdev(1, 5))) },
		"a link to FIFO": func(p string) error { _ = unix.Mkfifo(dir+"/f", 0o644); return os.Symlink("/f", p) },
		"endless":        func(p string) error { return os.WriteFile(p, make([]byte, maxUserFile+1), 0o644) },
	} {
		for _, file := range []string{"/etc/passwd", "/etc/group"} {
			kept := readString(t, dir+file)
			must(t, os.Remove(dir+file))
			must(t, replace(dir+file))
			if got, err := ResolveUser(root, "www", nil); !errors.Is(err, errdefs.ErrInvalidArgument) {
				t.Errorf("%s for %s: expected ErrInvalidArgument, got %+v, %v", what, file, got, err)
			}
			must(t, os.Remove(dir+file))
			must(t, os.WriteFile(dir+file, []byte(kept), 0o644))
			_ = os.Remove(dir + "/f")
		}
	}
	// A link to the host's file must not be read from the host.
	must(t, os.Remove(dir+"/etc/passwd"))
	must(t, os.Symlink("../../../../../../../etc/passwd", dir+"/etc/passwd"))
	if got, err := ResolveUser(root, "root", nil); err == nil {
		t.Errorf("a link out of the image: expected an error, got %+v", got)
	}
}

func TestNumbersNeedNoUserFiles(t *testing.T) {
	root, dir, _ := newRoot(t)
	want := User{12, 0, []uint32{0}, "/", ""}
	for range 2 {
		if got, err := ResolveUser(root, "12", nil); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("expected %+v, got %+v, %v", want, got, err)
		}
		must(t, os.WriteFile(dir+"/etc", nil, 0o644)) // and then /etc is a file
	}
}

func TestPasswdLinesCannotBeInjected(t *testing.T) {
	for _, e := range []PasswdEntry{
		{Name: "u", Home: "/\nroot::0:0::/:"}, {Name: "u", Home: "/a:b"}, {Name: "a:b"}, {Name: "a\nb"}, {Name: ""}, {Name: "+"},
		{Name: "u", Comment: "x\ny"}, {Name: "u", Shell: "a\x00"}, {Name: "u", UID: 1 << 31}, {Name: "u", GID: 1<<32 - 1}, {Name: "#x"},
	} {
		if line, err := e.Line(); !errors.Is(err, errdefs.ErrInvalidArgument) {
			t.Errorf("%+v: expected ErrInvalidArgument, got %q, %v", e, line, err)
		}
	}
	for _, name := range []string{"", "a,b", "a:b", "a\n"} {
		if line, err := GroupLine(name, 1); !errors.Is(err, errdefs.ErrInvalidArgument) {
			t.Errorf("group %q: expected ErrInvalidArgument, got %q, %v", name, line, err)
		}
	}
}

func TestPasswdAdditions(t *testing.T) {
	got, err := AddPasswd([]byte("root:x:0:0:root:/root:/bin/sh"), NumericUser(1000, 5, "/work"), NumericUser(0, 0, "/"),
		PasswdEntry{Name: "root", UID: 7}, PasswdEntry{Name: "me", UID: 1001, GID: 1001, Comment: "Me", Home: "/home/me", Shell: "/bin/zsh"})
	must(t, err)
	want := "root:x:0:0:root:/root:/bin/sh\n1000:*:1000:5:container user:/work:/bin/sh\nme:*:1001:1001:Me:/home/me:/bin/zsh\n"
	if string(got) != want {
		t.Errorf("expected\n%sgot\n%s", want, got)
	}
	group, err := AddGroup([]byte("root:x:0:\n"), "me", 1001, "me")
	must(t, err)
	if group, err = AddGroup(group, "other", 1001); err != nil || string(group) != "root:x:0:\nme:x:1001:me\n" {
		t.Errorf("expected one added group, got %q, %v", group, err)
	}
}

func TestHostUserComesFromTheHostsPasswd(t *testing.T) {
	e, err := HostUser("root")
	if err != nil || e.UID != 0 || e.Name != "root" {
		t.Errorf("expected root, got %+v, %v", e, err)
	}
	if e, err = HostUser("no-such-user-here"); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("expected ErrNotFound, got %+v, %v", e, err)
	}
}

// FuzzPasswdEntry: what is added is one line, which reads back as the same entry, and the lines before are untouched.
func FuzzPasswdEntry(f *testing.F) {
	f.Add("me", uint32(5), uint32(6), "Me", "/home/me", "/bin/sh", "root:x:0:0::/:\n")
	f.Add("a:b", uint32(5), uint32(6), "\n", "/home/\nme", "/bin/sh", "x")
	f.Fuzz(func(t *testing.T, name string, uid, gid uint32, comment, home, shell, file string) {
		e := PasswdEntry{name, uid, gid, comment, home, shell}
		var before, after []PasswdEntry
		for x := range passwdEntries([]byte(file)) {
			before = append(before, x)
		}
		got, err := AddPasswd([]byte(file), e)
		if err != nil {
			return
		}
		for x := range passwdEntries(got) {
			after = append(after, x)
		}
		if len(after) > len(before) {
			last := after[len(after)-1]
			if len(after) != len(before)+1 || last.UID != uid || last.GID != gid || last.Name != name {
				t.Errorf("expected %+v added, got %+v", e, after)
			}
			after = after[:len(before)]
		}
		if len(before) > 0 && !reflect.DeepEqual(before, after) {
			t.Errorf("expected the entries before to be %+v, got %+v", before, after)
		}
	})
}

// FuzzResolveUser: no file and no specification makes an ID out of range, or a crash.
func FuzzResolveUser(f *testing.F) {
	f.Add(passwdFile, groupFile, "www:staff")
	f.Fuzz(func(t *testing.T, passwd, group, spec string) {
		root, dir, _ := newRoot(t)
		must(t, os.Mkdir(dir+"/etc", 0o755))
		must(t, os.WriteFile(dir+"/etc/passwd", []byte(passwd), 0o644))
		must(t, os.WriteFile(dir+"/etc/group", []byte(group), 0o644))
		u, err := ResolveUser(root, spec, nil)
		if err != nil {
			return
		}
		if u.UID > maxID || u.GID > maxID || u.Groups[0] != u.GID || strings.ContainsAny(u.Home, "\n:") {
			t.Errorf("got %+v", u)
		}
	})
}
