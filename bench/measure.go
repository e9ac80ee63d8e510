package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// figures are one row's values by contestant, in the row's unit.
type figures map[string]float64

// row is one line of the table.
type row struct {
	what, budget string
	unit         string // ms, MB, MB/s, %
	values       figures
	// larger says that larger is better.
	larger bool
	// met judges Berth's figure with one runtime; nil if the budget is only a comparison.
	met func(figures, string) bool
}

type measurement struct {
	name string
	run  func(*bench) ([]row, error)
}

// player is somebody who takes a turn.
type player struct {
	name string
	turn func() (time.Duration, error)
}

// quiet is how long nothing happens before each turn. The kernel waits for an RCU grace period, 10 ms and more, before the first
// move of a process between control groups in a while: without a pause a player would pay for it or not according to whom it follows.
const quiet = 50 * time.Millisecond

// interleave lets the players take turns, after one turn each that does not count, and returns the medians in milliseconds.
func interleave(rounds int, players []player) (figures, error) {
	taken := map[string][]float64{}
	for i := -1; i < rounds; i++ {
		for _, p := range players {
			time.Sleep(quiet)
			took, err := p.turn()
			if err != nil {
				return nil, err
			}
			if i >= 0 {
				taken[p.name] = append(taken[p.name], took.Seconds()*1000)
			}
		}
	}
	f := figures{}
	for name, values := range taken {
		f[name] = median(values)
	}
	return f, nil
}

func median(values []float64) float64 {
	v := slices.Clone(values)
	slices.Sort(v)
	if len(v)%2 == 1 {
		return v[len(v)/2]
	}
	return (v[len(v)/2-1] + v[len(v)/2]) / 2
}

// each makes a player of every contestant.
func (b *bench) each(turn func(*contestant) (time.Duration, error)) []player {
	return eachOf(b.contestants, turn)
}

func eachOf(cs []*contestant, turn func(*contestant) (time.Duration, error)) []player {
	var players []player
	for _, c := range cs {
		players = append(players, player{c.name, func() (time.Duration, error) { return turn(c) }})
	}
	return players
}

// floorOf is the bare runtime's figure that Berth's is compared with: on a read-only mount, as Berth itself runs crun, if it was measured.
func floorOf(f figures, oci string) float64 {
	if v, ok := f["bare "+oci+" on a read-only mount"]; ok {
		return v
	}
	return f["bare "+oci]
}

// floorName is a floor's name as a player.
func (f *floor) floorName() string {
	if f.readOnly {
		return "bare " + f.name + " on a read-only mount"
	}
	return "bare " + f.name
}

var measurements = []measurement{
	{"version", measureVersion},
	{"ps of nothing", measureEmptyPs},
	{"run", measureRun},
	{"16 at a time", measureParallel},
	{"exec", measureExec},
	{"wait", measureWait},
	{"monitor memory", measureMemory},
	{"logs", measureLogs},
	{"many containers", measureMany},
	{"events", measureEvents},
}

func atMost(limit float64) func(figures, string) bool {
	return func(f figures, name string) bool { return f[name] <= limit }
}

func measureVersion(b *bench) ([]row, error) {
	f, err := interleave(b.rounds(40), b.each(func(c *contestant) (time.Duration, error) { return c.do("--version") }))
	return []row{{what: "`--version`", budget: "≤ 8 ms", unit: "ms", values: f, met: atMost(8)}}, err
}

func measureEmptyPs(b *bench) ([]row, error) {
	f, err := interleave(b.rounds(40), b.each(func(c *contestant) (time.Duration, error) { return c.do("ps") }))
	return []row{{what: "`ps` of nothing", budget: "≤ 10 ms", unit: "ms", values: f, met: atMost(10)}}, err
}

func runTrue(c *contestant) (time.Duration, error) {
	return c.do("run", "--rm", "--network", "none", image, "true")
}

func measureRun(b *bench) ([]row, error) {
	players := b.each(runTrue)
	for _, f := range b.floors {
		players = append(players, player{f.floorName(), f.run})
	}
	f, err := interleave(b.rounds(25), players)
	r := row{what: "`run --rm --network none IMAGE true`", budget: "≤ bare runtime + 12 ms; ≤ 1/5 of podman's", unit: "ms", values: f}
	r.met = func(f figures, name string) bool {
		_, oci, _ := strings.Cut(name, ", ")
		podman, ok := f["podman, "+oci]
		return f[name] <= floorOf(f, oci)+12 && (!ok || f[name] <= podman/5)
	}
	return []row{r}, err
}

// measureParallel runs 16 containers at a time, and sees how busy the processors are meanwhile.
func measureParallel(b *bench) ([]row, error) {
	busy := map[string][]float64{}
	f, err := interleave(b.rounds(5), b.each(func(c *contestant) (time.Duration, error) {
		used, total := processorTime()
		begin := time.Now()
		err := together(16, func(int) error { _, err := runTrue(c); return err })
		took := time.Since(begin)
		usedAfter, totalAfter := processorTime()
		if totalAfter > total {
			busy[c.name] = append(busy[c.name], 100*(usedAfter-used)/(totalAfter-total))
		}
		return took / 16, err
	}))
	if err != nil {
		return nil, err
	}
	utilisation := figures{}
	for name, values := range busy {
		utilisation[name] = median(values)
	}
	return []row{
		{what: "the same, 16 at a time: wall time of one", unit: "ms", values: f},
		{what: "processors busy meanwhile", budget: "≥ 90 %", unit: "%", values: utilisation, larger: true,
			met: func(f figures, name string) bool { return f[name] >= 90 }},
	}, nil
}

// together runs n things at a time and returns the first error.
func together(n int, do func(i int) error) error {
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Add(1)
		go func() { defer wg.Done(); errs[i] = do(i) }()
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// processorTime is the time that all processors have worked and all that has passed, in ticks (proc(5), stat).
func processorTime() (used, total float64) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0
	}
	line, _, _ := strings.Cut(string(text), "\n")
	for i, f := range strings.Fields(line)[1:] {
		v, _ := strconv.ParseFloat(f, 64)
		if i > 7 { // guest time is in user time already
			break
		}
		total += v
		if i != 3 && i != 4 { // idle, iowait
			used += v
		}
	}
	return used, total
}

// startEach runs a container that sleeps with every contestant and returns their IDs.
func (b *bench) startEach() (map[string]string, error) {
	ids := map[string]string{}
	for _, c := range b.contestants {
		id, err := c.output("run", "-d", "--network", "none", image, "sleep", "1000")
		if err != nil {
			return nil, err
		}
		ids[c.name] = id
	}
	return ids, nil
}

func (b *bench) removeEach(ids map[string]string) error {
	for _, c := range b.contestants {
		if _, err := c.remove(ids[c.name]); err != nil {
			return err
		}
	}
	return nil
}

func measureExec(b *bench) ([]row, error) {
	ids, err := b.startEach()
	if err != nil {
		return nil, err
	}
	players := b.each(func(c *contestant) (time.Duration, error) { return c.do("exec", ids[c.name], "true") })
	for _, f := range b.floors {
		id, stop, err := f.running()
		if err != nil {
			return nil, err
		}
		defer stop()
		players = append(players, player{f.floorName(), func() (time.Duration, error) { return f.exec(id) }})
	}
	f, err := interleave(b.rounds(25), players)
	if err != nil {
		return nil, err
	}
	r := row{what: "`exec C true`", budget: "≤ bare runtime's exec + 10 ms", unit: "ms", values: f}
	r.met = func(f figures, name string) bool {
		_, oci, _ := strings.Cut(name, ", ")
		return f[name] <= floorOf(f, oci)+10
	}
	return []row{r}, b.removeEach(ids)
}

// measureWait kills a container's process and sees when a waiting client has ended.
func measureWait(b *bench) ([]row, error) {
	f, err := interleave(b.rounds(10), b.each(waitOnce))
	return []row{{what: "from the exit of a container to the end of `wait`", unit: "ms", values: f}}, err
}

func waitOnce(c *contestant) (time.Duration, error) {
	id, err := c.output("run", "-d", "--network", "none", image, "sleep", "1000")
	if err != nil {
		return 0, err
	}
	text, err := c.output("inspect", "--format", "{{.State.Pid}}", id)
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(text)
	if err != nil {
		return 0, err
	}
	waiter := c.command("wait", id)
	if err := waiter.Start(); err != nil {
		return 0, err
	}
	time.Sleep(150 * time.Millisecond) // until it waits
	begin := time.Now()
	process, err := os.FindProcess(pid)
	if err != nil {
		return 0, err
	}
	if err := process.Kill(); err != nil {
		return 0, err
	}
	if err := waiter.Wait(); err != nil {
		return 0, fmt.Errorf("%s: wait: %w", c.name, err)
	}
	took := time.Since(begin)
	_, err = c.remove(id)
	return took, err
}

// measureMemory is the mean proportional set size of the monitors of 50 containers.
func measureMemory(b *bench) ([]row, error) {
	f := figures{}
	n := b.many(50)
	for _, c := range b.contestants {
		for range n {
			if _, err := c.do("run", "-d", "--network", "none", image, "sleep", "1000"); err != nil {
				return nil, err
			}
		}
		pids, err := b.monitors(c)
		if err != nil {
			return nil, err
		}
		if len(pids) != n {
			return nil, fmt.Errorf("%s: expected %d monitors, found %d", c.name, n, len(pids))
		}
		var sum float64
		for _, pid := range pids {
			kb, err := proportional(pid)
			if err != nil {
				return nil, err
			}
			sum += kb
		}
		f[c.name] = sum / float64(n) / 1024
		b.removeAll(c)
	}
	return []row{{what: fmt.Sprintf("monitor: proportional set size, mean of %d", n), budget: "≤ 0.6 MB", unit: "MB", values: f, met: atMost(0.6)}}, nil
}

// proportional is a process's proportional set size in kB.
func proportional(pid int) (float64, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "smaps_rollup"))
	if err != nil {
		return 0, err
	}
	for _, line := range strings.Split(string(text), "\n") {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "Pss:" {
			return strconv.ParseFloat(f[1], 64)
		}
	}
	return 0, fmt.Errorf("no Pss in smaps_rollup of %d", pid)
}

// measureLogs lets one container print lines of 100 bytes as fast as it can into the log.
func measureLogs(b *bench) ([]row, error) {
	data := filepath.Join(b.dir, "data")
	if err := os.Mkdir(data, 0o755); err != nil {
		return nil, err
	}
	const fileSize = 32 << 20
	line := strings.Repeat("x", 99) + "\n"
	text := strings.Repeat(line, fileSize/len(line))
	if err := os.WriteFile(filepath.Join(data, "log"), []byte(text), 0o644); err != nil {
		return nil, err
	}
	copies := 16
	if b.quick {
		copies = 2
	}
	size := float64(copies*len(text)) / 1e6
	args := append([]string{"cat"}, slices.Repeat([]string{"/data/log"}, copies)...)
	took, err := interleave(b.rounds(3), b.each(func(c *contestant) (time.Duration, error) {
		run := append([]string{"run", "-d", "--network", "none", "--log-driver", c.logDriver, "-v", data + ":/data:ro", image}, args...)
		begin := time.Now()
		id, err := c.output(run...)
		if err != nil {
			return 0, err
		}
		if _, err := c.do("wait", id); err != nil {
			return 0, err
		}
		took := time.Since(begin)
		_, err = c.remove(id)
		return took, err
	}))
	if err != nil {
		return nil, err
	}
	f := figures{}
	for name, ms := range took {
		f[name] = size / ms * 1000
	}
	return []row{{what: fmt.Sprintf("log of one container, lines of 100 bytes (%.0f MB, start and wait included)", size), budget: "≥ 500 MB/s", unit: "MB/s",
		values: f, larger: true, met: func(f figures, name string) bool { return f[name] >= 500 }}}, nil
}
