package container

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/berth-engine/berth/errdefs"
)

// MaxID is the highest ID of a user or group that a container may run as: beyond it, programs that count in 32 signed bits take
// an ID for another.
const MaxID = 1<<31 - 1

// CheckUser checks the form of --user: USER[:GROUP], each a name or a number. Whether they exist is for who has the image to
// say. ErrInvalidArgument.
func CheckUser(s string) error {
	user, group, hasGroup := strings.Cut(s, ":")
	if s == "" || user == "" && !hasGroup || hasGroup && group == "" {
		return errdefs.Invalid("user %q is not of the form USER[:GROUP]", s)
	}
	for _, id := range []string{user, group} {
		if err := checkID(id); err != nil {
			return errdefs.Invalid("user %q: %w", s, err)
		}
	}
	return nil
}

// checkID refuses what would be more than a word in /etc/passwd, and numbers out of range.
func checkID(id string) error {
	if len(id) > maxName {
		return fmt.Errorf("%.20q… is longer than %d characters", id, maxName)
	}
	if strings.IndexFunc(id, func(r rune) bool { return r <= ' ' || r == 0x7f || r == ':' || r == ',' || r == '/' }) >= 0 {
		return fmt.Errorf("%q holds a character that is part of no name", id)
	}
	if digits := strings.TrimPrefix(id, "-"); digits == "" || strings.Trim(digits, "0123456789") != "" {
		return nil // a name, or none
	}
	if n, err := strconv.ParseInt(id, 10, 64); err != nil || n < 0 || n > MaxID {
		return fmt.Errorf("%s is not within 0 and %d", id, MaxID)
	}
	return nil
}

// ParseUmask returns a umask as four octal digits. ErrInvalidArgument.
func ParseUmask(s string) (string, error) {
	n, err := strconv.ParseUint(s, 8, 32)
	if err != nil || n > 0o777 || len(s) > 4 {
		return "", errdefs.Invalid("umask %q is not an octal number up to 0777", s)
	}
	return fmt.Sprintf("%04o", n), nil
}
