package monitored

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/internal/monitor/wire"
	"github.com/berth-engine/berth/ociruntime"
)

// failure is an error whose text is the runtime's, with one of ociruntime's errors and a class.
type failure struct {
	text  string
	is    error
	class error
}

func (f *failure) Error() string { return f.text }

func (f *failure) Unwrap() []error {
	if f.is == nil {
		return []error{f.class}
	}
	return []error{f.is, f.class}
}

// OCI runtimes tell what is wrong with a command in words only: their exit code is 1 for everything. These are the words of runc
// (1.0 to 1.3, which quotes Go's os/exec and the init's own errors) and crun (1.x, which quotes strerror); the tests make each
// of them with the runtimes that are installed. All words of an entry must be there.
var invocationErrors = []struct {
	words []string
	is    error
}{
	{[]string{"chdir to cwd"}, ociruntime.ErrCannotInvoke},                                           // runc
	{[]string{"chdir `", "No such file or directory"}, ociruntime.ErrCannotInvoke},                   // crun
	{[]string{"executable file", "not found"}, ociruntime.ErrCommandNotFound},                        // both
	{[]string{"exec: \"", "no such file or directory"}, ociruntime.ErrCommandNotFound},               // runc, a path
	{[]string{"exec container process", "No such file or directory"}, ociruntime.ErrCommandNotFound}, // crun, an interpreter
	{[]string{"exec: \"", "permission denied"}, ociruntime.ErrCannotInvoke},                          // runc
	{[]string{"exec: \"", "is a directory"}, ociruntime.ErrCannotInvoke},                             // runc from 1.2 on
	{[]string{"open executable", "Permission denied"}, ociruntime.ErrCannotInvoke},                   // older crun
	{[]string{"open executable", "Operation not permitted"}, ociruntime.ErrCannotInvoke},             // older crun, a directory
	{[]string{"exists but it is not executable"}, ociruntime.ErrCannotInvoke},                        // newer crun
	{[]string{"the path `", "is not a regular file"}, ociruntime.ErrCannotInvoke},                    // newer crun, a directory
	{[]string{"exec container process", "Permission denied"}, ociruntime.ErrCannotInvoke},            // crun
	{[]string{"exec container process", "xec format error"}, ociruntime.ErrCannotInvoke},             // crun
}

// invocationError finds what a runtime's message says of the command, nil for nothing.
func invocationError(text string) error {
	for _, e := range invocationErrors {
		all := true
		for _, w := range e.words {
			all = all && strings.Contains(text, w)
		}
		if all {
			return e.is
		}
	}
	return nil
}

// runtimeError makes an error of a runtime's own text.
func (r *Runtime) runtimeError(text string) error {
	f := &failure{text: r.o.Name + ": " + text, is: invocationError(text), class: errdefs.ErrInternal}
	if f.is != nil {
		f.class = errdefs.ErrInvalidArgument
	}
	return f
}

// commandFailed makes an error of a runtime's command that we ran ourselves.
func (r *Runtime) commandFailed(verb, id string, out []byte, err error) error {
	var exit *exitError
	if !errors.As(err, &exit) {
		return err
	}
	if text := lastError(out); text != "" {
		return r.runtimeError(text)
	}
	return errdefs.Internal("%s %s %s: %w", r.o.Name, verb, id, err)
}

// createFailed makes an error of what the runtime left behind under a monitor: its log, else its standard error.
func (r *Runtime) createFailed(run string, stderr []byte) error {
	logged, _ := os.ReadFile(filepath.Join(run, wire.RuntimeLog))
	for _, out := range [][]byte{logged, stderr} {
		if text := lastError(out); text != "" {
			return r.runtimeError(text)
		}
	}
	return errdefs.Internal("%s failed without a word; is the bundle complete?", r.o.Name)
}

// lastError takes the last error out of a runtime's output: lines of JSON (the log format of runc and crun) or plain text.
func lastError(out []byte) string {
	last := ""
	for line := range bytes.Lines(out) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		var entry struct{ Level, Msg string }
		if json.Unmarshal(line, &entry) != nil {
			last = string(line)
		} else if entry.Level == "error" || entry.Level == "fatal" {
			last = entry.Msg
		}
	}
	return strings.Join(strings.Fields(last), " ")
}

// missingProgram is the error of a program that cannot be started.
func missingProgram(path string, err error) error {
	return &failure{
		text:  path + " cannot be run: " + err.Error() + "; " + installHint(filepath.Base(path)),
		is:    ociruntime.ErrMissing,
		class: errdefs.ErrUnavailable,
	}
}
