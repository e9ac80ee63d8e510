package rootfs

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"strings"
	"unicode"

	"github.com/berth-engine/berth/errdefs"
)

// PasswdEntry is one line of a passwd file (passwd(5)), without the password.
type PasswdEntry struct {
	Name     string
	UID, GID uint32
	Comment  string
	Home     string
	Shell    string
}

// Line is the entry as a line of the file. ErrInvalidArgument: a field that would change the file's structure, with a colon,
// a newline or another control character, or a name that is empty.
func (e PasswdEntry) Line() (string, error) {
	fields := []struct{ what, value string }{
		{"name", e.Name}, {"comment", e.Comment}, {"home directory", e.Home}, {"shell", e.Shell},
	}
	for _, f := range fields {
		if !oneField(f.value) {
			return "", errdefs.Invalid("%s %q cannot stand in a passwd file", f.what, f.value)
		}
	}
	if e.Name == "" || strings.ContainsAny(e.Name[:1], "+-#") || strings.Contains(e.Name, "/") ||
		strings.ContainsFunc(e.Name, unicode.IsSpace) {
		return "", errdefs.Invalid("%q cannot be a user name", e.Name)
	}
	if e.UID > maxID || e.GID > maxID {
		return "", errdefs.Invalid("user %s: IDs are in the range 0 to %d", e.Name, maxID)
	}
	return fmt.Sprintf("%s:*:%d:%d:%s:%s:%s\n", e.Name, e.UID, e.GID, e.Comment, e.Home, e.Shell), nil
}

// NumericUser is the entry for a user that has but a number: programs that ask for their own name get the number.
func NumericUser(uid, gid uint32, home string) PasswdEntry {
	return PasswdEntry{
		Name: fmt.Sprint(uid), UID: uid, GID: gid, Comment: "container user", Home: home, Shell: "/bin/sh",
	}
}

// GroupLine is a line of a group file (group(5)). ErrInvalidArgument as for PasswdEntry.Line.
func GroupLine(name string, gid uint32, members ...string) (string, error) {
	for _, s := range append([]string{name}, members...) {
		if s == "" || !oneField(s) || strings.ContainsRune(s, ',') {
			return "", errdefs.Invalid("%q cannot stand in a group file", s)
		}
	}
	if gid > maxID {
		return "", errdefs.Invalid("group %s: IDs are in the range 0 to %d", name, maxID)
	}
	return fmt.Sprintf("%s:x:%d:%s\n", name, gid, strings.Join(members, ",")), nil
}

// AddPasswd is file with those entries added whose name and number it does not have.
func AddPasswd(file []byte, entries ...PasswdEntry) ([]byte, error) {
	names, ids := map[string]bool{}, map[uint32]bool{}
	for e := range passwdEntries(file) {
		names[e.Name], ids[e.UID] = true, true
	}
	for _, e := range entries {
		if names[e.Name] || ids[e.UID] {
			continue
		}
		line, err := e.Line()
		if err != nil {
			return nil, err
		}
		file = addLine(file, line)
		names[e.Name], ids[e.UID] = true, true
	}
	return file, nil
}

// AddGroup is file with a group added, if it has none of that name or number.
func AddGroup(file []byte, name string, gid uint32, members ...string) ([]byte, error) {
	for g := range groupEntries(file) {
		if g.name == name || g.gid == gid {
			return file, nil
		}
	}
	line, err := GroupLine(name, gid, members...)
	if err != nil {
		return nil, err
	}
	return addLine(file, line), nil
}

func addLine(file []byte, line string) []byte {
	file = bytes.Clone(file)
	if len(file) > 0 && file[len(file)-1] != '\n' {
		file = append(file, '\n')
	}
	return append(file, line...)
}

// ReadUserFiles reads /etc/passwd and /etc/group of a root file system, each empty if it is missing. Errors as ResolveUser.
func ReadUserFiles(root *Root) (passwd, group []byte, err error) {
	if passwd, err = readUserFile(root, "/etc/passwd"); err != nil {
		return nil, nil, err
	}
	group, err = readUserFile(root, "/etc/group")
	return passwd, group, err
}

// HostUser is the entry of a user of the host, by name or number, for a container that is to know the user too. It comes from
// the host's /etc/passwd alone. ErrNotFound: no such user.
func HostUser(name string) (PasswdEntry, error) {
	root, err := OpenRoot("/")
	if err != nil {
		return PasswdEntry{}, err
	}
	defer root.Close()
	passwd, err := readUserFile(root, "/etc/passwd")
	if err != nil {
		return PasswdEntry{}, fmt.Errorf("user %s of the host: %w", name, err)
	}
	id, isID, err := parseID("user", name)
	if err != nil {
		return PasswdEntry{}, err
	}
	for e := range passwdEntries(passwd) {
		if isID && e.UID == id || !isID && e.Name == name {
			return e, nil
		}
	}
	return PasswdEntry{}, errdefs.NotFound("the host has no user %s in /etc/passwd", name)
}

// oneField reports whether s can be one field of a line.
func oneField(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r == ':' || r < ' ' || r == 0x7f })
}

// home is the entry's home directory, "/" if it is none that a process can be told.
func (e PasswdEntry) home() string {
	if !strings.HasPrefix(e.Home, "/") || !oneField(e.Home) {
		return "/"
	}
	return e.Home
}

// errLine is why a line is skipped; nobody sees it.
var errLine = errors.New("not an entry")

// passwdEntries yields the well-formed lines: at least four fields, a name, IDs in range.
func passwdEntries(file []byte) iter.Seq[PasswdEntry] {
	return func(yield func(PasswdEntry) bool) {
		for line := range bytes.Lines(file) {
			if e, err := parsePasswd(string(bytes.TrimRight(line, "\r\n"))); err == nil && !yield(e) {
				return
			}
		}
	}
}

func parsePasswd(line string) (PasswdEntry, error) {
	f := strings.Split(strings.TrimSpace(line), ":")
	if len(f) < 4 || f[0] == "" || strings.ContainsAny(f[0][:1], "#+-") {
		return PasswdEntry{}, errLine
	}
	uid, ok1 := parseField(f[2])
	gid, ok2 := parseField(f[3])
	if !ok1 || !ok2 {
		return PasswdEntry{}, errLine
	}
	f = append(f, "", "", "")
	return PasswdEntry{Name: f[0], UID: uid, GID: gid, Comment: f[4], Home: f[5], Shell: f[6]}, nil
}

type groupEntry struct {
	name    string
	gid     uint32
	members string // separated by commas
}

// groupEntries yields the well-formed lines: at least three fields, a name, an ID in range.
func groupEntries(file []byte) iter.Seq[groupEntry] {
	return func(yield func(groupEntry) bool) {
		for line := range bytes.Lines(file) {
			f := strings.SplitN(string(bytes.TrimSpace(line)), ":", 4)
			if len(f) < 3 || f[0] == "" || strings.ContainsAny(f[0][:1], "#+-") {
				continue
			}
			gid, ok := parseField(f[2])
			if !ok {
				continue
			}
			members := ""
			if len(f) == 4 {
				members = f[3]
			}
			if !yield(groupEntry{f[0], gid, members}) {
				return
			}
		}
	}
}
