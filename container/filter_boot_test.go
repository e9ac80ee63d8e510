package container

import (
	"testing"
	"time"

	"github.com/berth-engine/berth/errdefs"
)

func TestWhatStartsAtBootIsAlwaysAndWhatNobodyStopped(t *testing.T) {
	for _, c := range []struct {
		policy  string
		stopped bool
		want    bool
	}{
		{"always", false, true}, {"always", true, true},
		{"unless-stopped", false, true}, {"unless-stopped", true, false},
		{"on-failure", false, false}, {"no", false, false}, {"", false, false},
	} {
		record := &Container{}
		record.Config.Restart.Name, record.State.StoppedByUser = c.policy, c.stopped
		for value, want := range map[string]bool{"true": c.want, "false": !c.want} {
			f, err := ParseFilters(map[string][]string{"should-start-on-boot": {value}}, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if got := f.Match(record, FilterContext{}); got != want {
				t.Errorf("policy %q, stopped by a user %v, should-start-on-boot=%s: expected %v, got %v", c.policy, c.stopped, value, want, got)
			}
		}
	}
	if _, err := ParseFilters(map[string][]string{"should-start-on-boot": {"perhaps"}}, time.Now()); errdefs.Class(err) != errdefs.ErrInvalidArgument {
		t.Errorf("expected ErrInvalidArgument, got %v", err)
	}
}
