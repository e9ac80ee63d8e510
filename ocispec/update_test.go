package ocispec

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/host"
)

var allControllers = host.Facts{Cgroups: host.Cgroups{
	Mode: host.Legacy, Controllers: []string{"blkio", "cpu", "cpuset", "memory", "pids"}, SwapLimit: true, BlkioWeight: true,
}}

func TestAnUpdateTellsTheRuntimeWhatDiffersAndTakesAwayWhatIsGone(t *testing.T) {
	type r = container.Resources
	for _, c := range []struct {
		name          string
		before, after r
		expected      string
	}{
		{"nothing", r{Memory: 64}, r{Memory: 64}, "null"},
		{"memory, and swap with it", r{Memory: 64, PidsLimit: 7}, r{Memory: 128, PidsLimit: 7}, `{"memory":{"limit":128,"swap":256}}`},
		{"memory with its swap", r{Memory: 64, MemorySwap: 100}, r{Memory: 80, MemorySwap: 100}, `{"memory":{"limit":80,"swap":100}}`},
		{"no memory limit any more", r{Memory: 64, MemoryReservation: 32}, r{}, `{"memory":{"limit":-1,"reservation":-1,"swap":-1}}`},
		{"processor time", r{}, r{CPUPeriod: 100000, CPUQuota: 50000, CPUShares: 512}, `{"cpu":{"shares":512,"quota":50000,"period":100000}}`},
		{"no limit of processor time any more", r{CPUPeriod: 50000, CPUQuota: 25000, CPUShares: 512}, r{}, `{"cpu":{"shares":1024,"quota":819200000,"period":100000}}`},
		{"processors", r{CPUSetCPUs: "0-1"}, r{CPUSetCPUs: "0"}, `{"cpu":{"cpus":"0"}}`},
		{"processes", r{PidsLimit: 10}, r{PidsLimit: 20}, `{"pids":{"limit":20}}`},
		{"no limit of processes any more", r{PidsLimit: 10}, r{PidsLimit: -1}, `{"pids":{"limit":4194304}}`},
		{"weight", r{}, r{BlkioWeight: 300}, `{"blockIO":{"weight":300}}`},
		{"no weight any more", r{BlkioWeight: 300}, r{}, `{"blockIO":{"weight":500}}`},
	} {
		got, warnings, err := Update(c.before, c.after, allControllers)
		if err != nil || len(warnings) > 0 {
			t.Errorf("%s: %v, %v", c.name, err, warnings)
		}
		text, _ := json.Marshal(got)
		if string(text) != c.expected {
			t.Errorf("%s: expected %s, got %s", c.name, c.expected, text)
		}
	}
}

func TestAnUpdateIsRefusedWhenItCannotBe(t *testing.T) {
	type r = container.Resources
	for _, c := range []struct{ before, after r }{
		{r{}, r{Memory: 64, MemorySwap: 32}},
		{r{Cgroups: "disabled"}, r{Cgroups: "disabled", Memory: 64}},
	} {
		if _, _, err := Update(c.before, c.after, allControllers); errdefs.Class(err) != errdefs.ErrInvalidArgument {
			t.Errorf("%+v to %+v: expected ErrInvalidArgument, got %v", c.before, c.after, err)
		}
	}
}

func TestAnUpdateSaysWhatTheHostCannotLimit(t *testing.T) {
	got, warnings, err := Update(container.Resources{}, container.Resources{Memory: 64}, host.Facts{})
	if err != nil || got != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "memory") {
		t.Errorf("expected nothing to tell the runtime and a warning, got %v, %q, %v", got, warnings, err)
	}
}
