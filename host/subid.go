package host

import (
	"slices"
	"strconv"
	"strings"
)

// rootOwner owns root's subordinate IDs in /etc/subuid and /etc/subgid, as containers/storage has it.
const rootOwner = "containers"

// readSubIDs finds the ranges of the user: of root, those of the user "containers".
func readSubIDs(t tree, uid int) (uids, gids []IDRange) {
	subuid, subgid := t.text("etc/subuid"), t.text("etc/subgid")
	if subuid == "" && subgid == "" {
		return nil, nil
	}
	owners := []string{rootOwner}
	if uid != 0 {
		owners = []string{strconv.Itoa(uid)}
		if name := userName(t, uid); name != "" {
			owners = append(owners, name)
		}
	}
	return parseSubIDs(subuid, owners), parseSubIDs(subgid, owners)
}

// parseSubIDs takes the ranges of any of the owners from the lines OWNER:FIRST:COUNT (subuid(5)). Lines that are no such
// thing are passed over, as newuidmap(1) does.
func parseSubIDs(text string, owners []string) []IDRange {
	var ranges []IDRange
	for line := range strings.Lines(text) {
		owner, numbers, _ := strings.Cut(strings.TrimSpace(line), ":")
		if !slices.Contains(owners, owner) {
			continue
		}
		first, count, _ := strings.Cut(numbers, ":")
		f, err1 := strconv.ParseInt(first, 10, 64)
		n, err2 := strconv.ParseInt(count, 10, 64)
		if err1 == nil && err2 == nil && inIDSpace(f, n) {
			ranges = append(ranges, IDRange{First: f, Size: n})
		}
	}
	return ranges
}

// inIDSpace: user IDs have 32 bits, of which the highest value means none.
func inIDSpace(first, size int64) bool {
	return first >= 0 && size > 0 && first < 1<<32 && size < 1<<32 && first+size < 1<<32
}

// userName looks a user up in /etc/passwd; empty when it is not there.
func userName(t tree, uid int) string {
	want := strconv.Itoa(uid)
	for line := range strings.Lines(t.text("etc/passwd")) {
		if fields := strings.SplitN(line, ":", 4); len(fields) == 4 && fields[2] == want {
			return fields[0]
		}
	}
	return ""
}
