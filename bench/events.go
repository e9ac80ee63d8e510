package main

import (
	"bufio"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// measureEvents has each contestant's events followed by a process of its own, and measures how long after a change its line is there.
func measureEvents(b *bench) ([]row, error) {
	var players []player
	stamps := map[string][]float64{}
	for _, c := range b.contestants {
		f, err := follow(c)
		if err != nil {
			return nil, err
		}
		defer f.end()
		players = append(players, player{c.name, func() (time.Duration, error) {
			took, sinceStamp, err := f.change()
			if c.engine == "berth" {
				stamps[c.name] = append(stamps[c.name], sinceStamp.Seconds()*1000)
			}
			return took, err
		}})
	}
	told, err := interleave(b.rounds(15), players)
	if err != nil {
		return nil, err
	}
	latency := figures{}
	for name, values := range stamps {
		latency[name] = median(values)
	}
	rate, err := eventRate(b)
	return []row{
		{what: "from the start of `volume create` to its line in another process's `events`", unit: "ms", values: told},
		{what: "of that, since the event was stamped (its commit included)", budget: "≤ 5 ms after the commit", unit: "ms", values: latency, met: atMost(5)},
		{what: "events read from the first on, with `events --since seq:1`", unit: "/s", larger: true, values: rate},
	}, err
}

// follower is one contestant's events command, and the volumes that it is told of.
type follower struct {
	c     *contestant
	cmd   *exec.Cmd
	lines chan line
	n     int
}

type line struct {
	text string
	came time.Time
}

// follow starts a follower and makes sure that it follows.
func follow(c *contestant) (*follower, error) {
	format := map[string]string{"berth": "{{.Name}} {{.TimeNano}}", "podman": "{{.Name}}", "docker": "{{.Actor.ID}}"}[c.engine]
	f := &follower{c: c, cmd: c.command("events", "--filter", "type=volume", "--filter", "event=create", "--format", format), lines: make(chan line, 100)}
	out, err := f.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := f.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: events: %w", c.name, err)
	}
	go func() {
		for s := bufio.NewScanner(out); s.Scan(); {
			f.lines <- line{s.Text(), time.Now()}
		}
	}()
	for range 100 {
		if err := f.create(); err != nil {
			return nil, err
		}
		select {
		case <-f.lines:
			return f, nil
		case <-time.After(200 * time.Millisecond):
		}
	}
	f.end()
	return nil, fmt.Errorf("%s: events tells of nothing", c.name)
}

func (f *follower) name() string { return fmt.Sprintf("followed%d", f.n) }

func (f *follower) create() error {
	f.n++
	_, err := f.c.do("volume", "create", f.name())
	return err
}

// change makes a volume and waits for the line about it.
func (f *follower) change() (took, sinceStamp time.Duration, err error) {
	begin := time.Now()
	if err := f.create(); err != nil {
		return 0, 0, err
	}
	limit := time.After(10 * time.Second)
	for {
		select {
		case l := <-f.lines:
			words := strings.Fields(l.text)
			if len(words) == 0 || words[0] != f.name() {
				continue // of an earlier one
			}
			if len(words) > 1 {
				nanos, err := strconv.ParseInt(words[1], 10, 64)
				if err != nil {
					return 0, 0, fmt.Errorf("%s: event %q: %w", f.c.name, l.text, err)
				}
				sinceStamp = l.came.Sub(time.Unix(0, nanos))
			}
			return l.came.Sub(begin), sinceStamp, nil
		case <-limit:
			return 0, 0, fmt.Errorf("%s: no event of volume %s", f.c.name, f.name())
		}
	}
}

// end stops following and removes the volumes.
func (f *follower) end() {
	_ = f.cmd.Process.Signal(syscall.SIGTERM)
	_ = f.cmd.Wait()
	for ; f.n > 0; f.n-- {
		_, _ = f.c.do("volume", "rm", f.name())
	}
}

// eventRate is how many events a second Berth's events prints of those that there are.
func eventRate(b *bench) (figures, error) {
	f := figures{}
	for _, c := range b.contestants {
		if c.engine != "berth" {
			continue
		}
		begin := time.Now()
		out, err := c.output("events", "--stream=false", "--since", "seq:1", "--format", "{{.Seq}}")
		if err != nil {
			return nil, err
		}
		f[c.name] = float64(strings.Count(out, "\n")+1) / time.Since(begin).Seconds()
	}
	return f, nil
}
