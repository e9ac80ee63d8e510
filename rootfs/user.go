package rootfs

import (
	"errors"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

// User is who a process in a container runs as.
type User struct {
	UID, GID uint32
	// Groups are all supplementary groups, GID first.
	Groups []uint32
	// Home is "/" if the passwd file does not say.
	Home string
	// Name is empty for a number that the passwd file does not have.
	Name string
}

const (
	// maxID is the largest user or group ID: what fits a signed 32-bit integer, as other engines have it. Above, the
	// kernel, C libraries and tools disagree.
	maxID = 1<<31 - 1
	// maxUserFile bounds /etc/passwd and /etc/group, at some 60,000 accounts.
	maxUserFile = 4 << 20
)

// ResolveUser finds a user in the passwd and group files of a root file system. spec is user[:group], each a name or a
// number; empty is 0. A number is always the ID, also if there is a user of that name. extra are further groups.
//
// A number needs no entry: its group is then 0. With no group given, the group is the passwd entry's, and the groups that
// list the user are added; with one given, they are not. The files must be regular; lines that are not well-formed are
// skipped.
//
// ErrNotFound: no such user or group. ErrInvalidArgument: an ID out of range, or a file that cannot be trusted.
func ResolveUser(root *Root, spec string, extra []string) (User, error) {
	userSpec, groupSpec, _ := strings.Cut(spec, ":")
	if userSpec == "" {
		userSpec = "0"
	}
	passwd, err := readUserFile(root, "/etc/passwd")
	if err != nil {
		return User{}, err
	}
	u, err := findUser(passwd, userSpec)
	if err != nil {
		return User{}, err
	}
	// The group file may be long, and most containers need none of it.
	var group []byte
	if u.Name != "" || groupSpec != "" || len(extra) > 0 {
		if group, err = readUserFile(root, "/etc/group"); err != nil {
			return User{}, err
		}
	}
	var groups []uint32
	if groupSpec != "" {
		if u.GID, err = findGroup(group, groupSpec); err != nil {
			return User{}, err
		}
	} else if u.Name != "" {
		groups = groupsOf(group, u.Name)
	}
	for _, g := range extra {
		gid, err := findGroup(group, g)
		if err != nil {
			return User{}, err
		}
		groups = append(groups, gid)
	}
	// The primary group is among the supplementary ones, as after a login: a process that changes its group must not gain
	// what a file's group entry denied it (CVE-2022-36109).
	u.Groups = distinct(append([]uint32{u.GID}, groups...))
	return u, nil
}

// readUserFile is empty if the image has no such file.
func readUserFile(root *Root, name string) ([]byte, error) {
	data, err := root.ReadFile(name, maxUserFile)
	if errors.Is(err, errdefs.ErrNotFound) || errors.Is(err, unix.ENOTDIR) {
		return nil, nil
	}
	return data, err
}

func findUser(passwd []byte, spec string) (User, error) {
	id, isID, err := parseID("user", spec)
	if err != nil {
		return User{}, err
	}
	for entry := range passwdEntries(passwd) {
		if isID && entry.UID == id || !isID && entry.Name == spec {
			return User{UID: entry.UID, GID: entry.GID, Home: entry.home(), Name: entry.Name}, nil
		}
	}
	if !isID {
		return User{}, errdefs.NotFound("unable to find user %s: no matching entry in passwd file", spec)
	}
	return User{UID: id, Home: "/"}, nil
}

func findGroup(group []byte, spec string) (uint32, error) {
	id, isID, err := parseID("group", spec)
	if isID || err != nil {
		return id, err
	}
	for g := range groupEntries(group) {
		if g.name == spec {
			return g.gid, nil
		}
	}
	return 0, errdefs.NotFound("unable to find group %s: no matching entry in group file", spec)
}

// groupsOf are the groups that list the user by name.
func groupsOf(group []byte, user string) []uint32 {
	var gids []uint32
	for g := range groupEntries(group) {
		for member := range strings.SplitSeq(g.members, ",") {
			if member == user {
				gids = append(gids, g.gid)
				break
			}
		}
	}
	return gids
}

// parseID reads a user or group of a specification that is a number. Digits that make too large a number are an error and
// never a name; so is a number with a sign, which no system has as a name.
func parseID(kind, spec string) (id uint32, isID bool, err error) {
	digits := strings.TrimLeft(spec, "+-")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, false, nil
	}
	n, ok := parseField(spec)
	if !ok {
		return 0, false, errdefs.Invalid("%s %s: IDs are in the range 0 to %d", kind, spec, maxID)
	}
	return n, true, nil
}

// parseField reads an ID that is nothing but digits.
func parseField(s string) (uint32, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 31)
	return uint32(n), err == nil
}

func distinct(ids []uint32) []uint32 {
	seen := make(map[uint32]bool, len(ids))
	out := ids[:0]
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out
}
