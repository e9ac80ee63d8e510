package monitored

import "github.com/berth-engine/berth/host"

// Candidate is an OCI runtime that Select considers when none is asked for.
type Candidate struct {
	Name string
	// Path is where it is, empty if it was not found.
	Path string
	// Problem says why Select does not take it; empty if it would.
	Problem string
}

// Candidates are the OCI runtimes that Select considers when none is asked for, in its order. No program is started.
func Candidates(facts host.Facts) []Candidate {
	list := make([]Candidate, 0, 2)
	for _, name := range []string{"crun", "runc"} {
		c := Candidate{Name: name, Path: find(name)}
		switch {
		case c.Path == "":
			c.Problem = "it is not installed"
		case name == "crun" && !crunFits(facts):
			c.Problem = "it does not run on a host with cgroup v1 whose v2 tree has controllers as well"
		}
		list = append(list, c)
	}
	return list
}
