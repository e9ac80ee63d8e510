package monitored

import (
	"testing"

	"github.com/berth-engine/berth/host"
)

// TestCandidatesAgreeWithSelect: what Select takes is the first candidate without a problem, on every kind of host.
func TestCandidatesAgreeWithSelect(t *testing.T) {
	for _, facts := range []host.Facts{
		{Cgroups: host.Cgroups{Mode: host.Unified}},
		{Cgroups: host.Cgroups{Mode: host.Legacy}},
		{Cgroups: host.Cgroups{Mode: host.Hybrid}},
		{Cgroups: host.Cgroups{Mode: host.Hybrid, V2Controllers: []string{"pids"}}},
	} {
		want := ""
		for _, c := range Candidates(facts) {
			if want == "" && c.Problem == "" {
				want = c.Path
			}
		}
		got, err := Select(facts, nil)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%+v: expected Select to take %q, got %q, %v", facts.Cgroups, want, got, err)
		}
	}
}
