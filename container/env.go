package container

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/berth-engine/berth/errdefs"
)

// ParseEnv makes NAME=value of each --env: NAME=value as it is; NAME alone with the value it has in environ (os.Environ's form),
// left out if it has none; NAME* with all of environ whose names begin so, which is podman's. ErrInvalidArgument.
func ParseEnv(list, environ []string) ([]string, error) {
	var env []string
	for _, s := range list {
		name, _, assigned := strings.Cut(s, "=")
		if name == "" || strings.ContainsRune(s, 0) {
			return nil, errdefs.Invalid("environment variable %q has no name: it is NAME=VALUE, or NAME for the value it has here", s)
		}
		if assigned {
			env = append(env, s)
			continue
		}
		env = append(env, inherited(name, environ)...)
	}
	return env, nil
}

// inherited are the assignments of environ to the name, or to the names that begin with it if it ends in an asterisk.
func inherited(name string, environ []string) []string {
	prefix, wild := strings.CutSuffix(name, "*")
	var env []string
	for _, e := range environ {
		n, _, _ := strings.Cut(e, "=")
		if n == name || wild && strings.HasPrefix(n, prefix) {
			env = append(env, e)
		}
	}
	return env
}

// ParseEnvFile parses an --env-file: a variable a line as --env takes it, with lines that are empty or begin with # passed over.
// Values are taken as they are, quotes and blanks included. name is the file's, for messages. ErrInvalidArgument.
func ParseEnvFile(r io.Reader, name string, environ []string) ([]string, error) {
	var env []string
	err := eachLine(r, name, func(line string, number int) error {
		key, _, assigned := strings.Cut(line, "=")
		if strings.IndexFunc(key, unicode.IsSpace) >= 0 {
			return errdefs.Invalid("%s, line %d: the name %q of the variable holds white space", name, number, key)
		}
		one, err := ParseEnv([]string{line}, environ)
		if err != nil {
			return errdefs.Invalid("%s, line %d: %w", name, number, err)
		}
		if assigned || len(one) > 0 {
			env = append(env, one...)
		}
		return nil
	})
	return env, err
}

// ParseLabels parses --label and --annotation: KEY=VALUE, or KEY alone with an empty value. Later ones win. ErrInvalidArgument.
func ParseLabels(list []string) (map[string]string, error) {
	labels := map[string]string{}
	for _, s := range list {
		if err := addLabel(labels, s); err != nil {
			return nil, err
		}
	}
	return labels, nil
}

func addLabel(labels map[string]string, s string) error {
	key, value, _ := strings.Cut(s, "=")
	if key == "" {
		return errdefs.Invalid("label %q has no key: it is KEY=VALUE", s)
	}
	labels[key] = value
	return nil
}

// ParseLabelFile parses a --label-file: a label a line, with lines that are empty or begin with # passed over.
func ParseLabelFile(r io.Reader, name string) (map[string]string, error) {
	labels := map[string]string{}
	err := eachLine(r, name, func(line string, number int) error {
		if key, _, _ := strings.Cut(line, "="); strings.IndexFunc(key, unicode.IsSpace) >= 0 {
			return errdefs.Invalid("%s, line %d: the key %q of the label holds white space", name, number, key)
		}
		if err := addLabel(labels, line); err != nil {
			return errdefs.Invalid("%s, line %d: %w", name, number, err)
		}
		return nil
	})
	return labels, err
}

// maxLine bounds a line of a file, in bytes: a longer variable could not be passed to a program anyway (execve(2)).
const maxLine = 128 << 10

// eachLine calls fn for the lines that say something, without the white space before them.
func eachLine(r io.Reader, name string, fn func(line string, number int) error) error {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxLine)
	number := 0
	for scanner.Scan() {
		number++
		line := scanner.Text()
		if number == 1 {
			line = strings.TrimPrefix(line, "\ufeff") // a byte order mark
		}
		if !utf8.ValidString(line) {
			return errdefs.Invalid("%s, line %d is not UTF-8", name, number)
		}
		line = strings.TrimLeftFunc(line, unicode.IsSpace)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := fn(line, number); err != nil {
			return err
		}
	}
	if errors.Is(scanner.Err(), bufio.ErrTooLong) {
		return errdefs.Invalid("%s, line %d is longer than %d bytes", name, number+1, maxLine)
	}
	if err := scanner.Err(); err != nil {
		return errdefs.Internal("reading %s: %w", name, err)
	}
	return nil
}
