// Package leak finds what a container engine has left behind on the host: processes, mounts, network namespaces, control
// groups, files, rows of the store, locks and temporary files.
//
// It looks at the host from outside, through /proc, the cgroup hierarchies and the database file, and uses nothing of the
// engine's own code, which might share its mistakes. What belongs to an engine is told by the directories it was given
// (Scope): a process is its own if its command line, environment, directories, open files or mounts lie under them, a control
// group if its name holds an ID that the store has ever seen. So checks of several engines can run at the same time.
package leak

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// Kind is what was left.
type Kind string

// The kinds of leaks.
const (
	Process   Kind = "process"
	Mount     Kind = "mount"
	Namespace Kind = "network namespace"
	Cgroup    Kind = "control group"
	File      Kind = "file"
	Row       Kind = "row"
	Lock      Kind = "lock"
	Temp      Kind = "temporary file"
)

// Leak is one thing found.
type Leak struct {
	Kind Kind
	// Name tells it from others of its kind: a PID, a path, a table and key.
	Name string
	// Detail helps a person: a command line, a type of mount.
	Detail string
}

func (l Leak) String() string {
	if l.Detail == "" {
		return fmt.Sprintf("%s %s", l.Kind, l.Name)
	}
	return fmt.Sprintf("%s %s (%s)", l.Kind, l.Name, l.Detail)
}

// Scope is one engine's place on the host. Paths are absolute.
type Scope struct {
	// Root is the state directory, RunRoot the run directory.
	Root, RunRoot string
	// Temp is the engine's TMPDIR; empty if it has none of its own.
	Temp string
	// IDs are containers known to have existed besides those that the store tells of.
	IDs []string
}

// dirs are the directories by which processes and mounts are recognized.
func (s Scope) dirs() []string {
	var dirs []string
	for _, d := range []string{s.Root, s.RunRoot, s.Temp} {
		if d != "" {
			dirs = append(dirs, filepath.Clean(d))
		}
	}
	return dirs
}

// mentions reports whether text holds one of the scope's directories as a whole path or the beginning of one.
func (s Scope) mentions(text string) bool {
	for _, d := range s.dirs() {
		for rest := text; ; {
			_, after, found := strings.Cut(rest, d)
			if !found {
				break
			}
			if after == "" || strings.ContainsRune("/:,= \x00\n\"'", rune(after[0])) {
				return true
			}
			rest = after
		}
	}
	return false
}

// Snapshot is everything found at one moment, by kind and name.
type Snapshot map[string]Leak

// Take looks at everything. The error says what could not be read.
func Take(s Scope) (Snapshot, error) {
	snap := Snapshot{}
	ids := map[string]bool{}
	for _, id := range s.IDs {
		ids[id] = true
	}
	// Rows come first: they tell the IDs that control groups are recognized by.
	finders := []struct {
		what string
		find func(Scope, map[string]bool) ([]Leak, error)
	}{
		{"rows", findRows},
		{"processes", findProcesses},
		{"mounts", findMounts},
		{"control groups", findCgroups},
		{"files", findFiles},
		{"locks", findLocks},
	}
	for _, f := range finders {
		leaks, err := f.find(s, ids)
		if err != nil {
			return nil, fmt.Errorf("look for %s: %w", f.what, err)
		}
		for _, l := range leaks {
			snap[string(l.Kind)+"\x00"+l.Name] = l
		}
	}
	return snap, nil
}

// Since returns what is in the snapshot and was not in the earlier one, sorted.
func (s Snapshot) Since(before Snapshot) []Leak {
	var leaks []Leak
	for key, l := range s {
		if _, ok := before[key]; !ok {
			leaks = append(leaks, l)
		}
	}
	sort.Slice(leaks, func(i, j int) bool {
		if leaks[i].Kind != leaks[j].Kind {
			return leaks[i].Kind < leaks[j].Kind
		}
		return leaks[i].Name < leaks[j].Name
	})
	return leaks
}

// Settle looks until nothing new is found or patience is over, and returns what is still there: processes may need a moment
// to end after the command that started them has returned.
func Settle(s Scope, before Snapshot, patience time.Duration) ([]Leak, error) {
	deadline := time.Now().Add(patience)
	for {
		now, err := Take(s)
		if err != nil {
			return nil, err
		}
		leaks := now.Since(before)
		if len(leaks) == 0 || time.Now().After(deadline) {
			return leaks, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// List is one leak a line.
func List(leaks []Leak) string {
	lines := make([]string, len(leaks))
	for i, l := range leaks {
		lines[i] = "  " + l.String()
	}
	return strings.Join(lines, "\n")
}

// gone reports whether an error of reading /proc or a directory only says that the thing has just gone away.
func gone(err error) bool {
	return os.IsNotExist(err) || strings.Contains(err.Error(), "no such process")
}
