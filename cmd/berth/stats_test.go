package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/engine"
)

// measuredContainers are one with a network of its own, one with the host's and one that does not run.
func measuredContainers() *fakeContainers {
	f := twoContainers()
	f.reports = [][]engine.ContainerStats{{
		{
			ID: idWeb, Name: "web", Status: container.Running, Uptime: time.Minute, CPU: 1500 * time.Millisecond, CPUPercent: 12.345, CPUAverage: 2.5,
			Memory: 5_000_000, MemoryLimit: 64 << 20, MemoryPercent: 7.45, PIDs: 3, BlockRead: 4096, BlockWritten: 0,
			Networks: map[string]engine.NetworkUse{"eth0": {ReceivedBytes: 1000, SentBytes: 20}, "eth1": {ReceivedBytes: 500, SentBytes: 3}},
		},
		{ID: idDB, Name: "db", Status: container.Running},
		{ID: idDB, Name: "old", Status: container.Exited},
	}}
	return f
}

func TestStatsTableHasAColumnForEachNumberAndDashesForThoseThatThereAreNot(t *testing.T) {
	got := berthWith(t, with(measuredContainers()), nil, "stats", "--no-stream")
	expected := `CONTAINER ID  NAME        CPU %       MEM USAGE / LIMIT  MEM %       NET I/O      BLOCK I/O   PIDS        CPU TIME    AVG CPU %
0123456789ab  web         12.35%      5MB / 67.1MB       7.45%       1.5kB / 23B  4.1kB / 0B  3           1.5s        2.50%
fedcba987654  db          0.00%       0B / 0B            0.00%       -- / --      0B / 0B     0           0s          0.00%
fedcba987654  old         --          -- / --            --          -- / --      -- / --     --          --          --
`
	if got.out != expected {
		t.Errorf("expected:\n%s\ngot:\n%s%s", expected, got.out, got.err)
	}
}

func TestStatsAsJSONIsPodmansListAndJSONOfARowIsDockers(t *testing.T) {
	got := berthWith(t, with(measuredContainers()), nil, "stats", "--no-stream", "--format", "json")
	var list []map[string]string
	if err := json.Unmarshal([]byte(got.out), &list); err != nil {
		t.Fatalf("%v: %s", err, got.out)
	}
	for key, expected := range map[string]string{
		"id": "0123456789ab", "name": "web", "cpu_time": "1.5s", "cpu_percent": "12.35%", "avg_cpu": "2.50%", "mem_usage": "5MB / 67.1MB",
		"mem_percent": "7.45%", "net_io": "1.5kB / 23B", "block_io": "4.1kB / 0B", "pids": "3",
	} {
		if list[0][key] != expected {
			t.Errorf("%s: expected %q, got %q", key, expected, list[0][key])
		}
	}
	got = berthWith(t, with(measuredContainers()), nil, "stats", "--no-stream", "--no-trunc", "--format", "{{json .}}")
	line, _, _ := strings.Cut(got.out, "\n")
	expected := `{"BlockIO":"4.1kB / 0B","CPUPerc":"12.35%","Container":"` + idWeb + `","ID":"` + idWeb +
		`","MemPerc":"7.45%","MemUsage":"4.768MiB / 64MiB","Name":"web","NetIO":"1.5kB / 23B","PIDs":"3"}`
	if line != expected {
		t.Errorf("expected %s, got %s", expected, line)
	}
}

func TestStatsFlagsBecomeOptions(t *testing.T) {
	for args, expected := range map[string]engine.StatsOptions{
		"stats":                   {Interval: 5 * time.Second},
		"stats -i 2 web db":       {Containers: []string{"web", "db"}, Interval: 2 * time.Second},
		"stats -a --no-stream":    {All: true},
		"stats --latest -i 1":     {Containers: []string{idWeb}, Interval: time.Second},
		"container stats --all":   {All: true, Interval: 5 * time.Second},
		"stats --no-stream web":   {Containers: []string{"web"}},
		"stats --no-reset -i1 db": {Containers: []string{"db"}, Interval: time.Second},
	} {
		f := measuredContainers()
		f.reports = nil
		if got := berthWith(t, with(f), nil, strings.Fields(args)...); got.code != 0 {
			t.Errorf("berth %s: exit code %d, %s", args, got.code, got.err)
		}
		m := f.measured
		if strings.Join(m.Containers, " ") != strings.Join(expected.Containers, " ") || m.All != expected.All || m.Interval != expected.Interval {
			t.Errorf("berth %s: expected %+v, got %+v", args, expected, m)
		}
	}
}

func TestStatsRefusesWhatContradictsItself(t *testing.T) {
	for _, args := range []string{"stats -a web", "stats -l web", "stats -a -l", "stats -i 0", "stats -i -1"} {
		mustFail(t, with(measuredContainers()), exitEngine, "", strings.Fields(args)...)
	}
	mustFail(t, with(measuredContainers()), exitEngine, "no such container: nosuch", "stats", "--no-stream", "nosuch")
	mustFail(t, with(measuredContainers()), exitEngine, "--format", "stats", "--no-stream", "--format", "{{.Nothing}}")
}
