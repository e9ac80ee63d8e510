package main

import (
	"fmt"
	"sync/atomic"
	"time"
)

// measureMany measures create, rm and ps -a with 0, 1,000 and, for Berth, 10,000 containers there. The peers are measured with
// one runtime each: their create does not call it.
func measureMany(b *bench) ([]row, error) {
	var some, own []*contestant
	seen := map[string]bool{}
	for _, c := range b.contestants {
		if !seen[c.engine] {
			some = append(some, c)
			if c.engine == "berth" {
				own = append(own, c)
			}
		}
		seen[c.engine] = true
	}
	none, err := b.withContainers(some, 0)
	if err != nil {
		return nil, err
	}
	thousand, err := b.withContainers(some, b.many(1000))
	if err != nil {
		return nil, err
	}
	tenThousand, err := b.withContainers(own, b.many(10000))
	if err != nil {
		return nil, err
	}
	rows := []row{
		{what: "`create` with none there", unit: "ms", values: none.create},
		{what: "`create` with 1,000 there", unit: "ms", values: thousand.create},
		{what: "`create` with 10,000 there", budget: "≤ 1.2 × with none", unit: "ms", values: tenThousand.create, met: within(none.create)},
		{what: "`rm` with none there", unit: "ms", values: none.remove},
		{what: "`rm` with 1,000 there", unit: "ms", values: thousand.remove},
		{what: "`rm` with 10,000 there", budget: "≤ 1.2 × with none", unit: "ms", values: tenThousand.remove, met: within(none.remove)},
		{what: "`run --rm` with none there", unit: "ms", values: none.run},
		{what: "`run --rm` with 1,000 there", unit: "ms", values: thousand.run},
		{what: "`run --rm` with 10,000 there", budget: "≤ 1.2 × with none", unit: "ms", values: tenThousand.run, met: within(none.run)},
		{what: "`ps -a` with 1,000", budget: "≤ 20 ms", unit: "ms", values: thousand.ps, met: atMost(20)},
		{what: "`ps -a` with 10,000", budget: "≤ 150 ms", unit: "ms", values: tenThousand.ps, met: atMost(150)},
		{what: "`ps` (none runs) with 10,000", budget: "flat: ≤ 15 ms", unit: "ms", values: tenThousand.psRunning, met: atMost(15)},
	}
	return rows, nil
}

func within(none figures) func(figures, string) bool {
	return func(f figures, name string) bool { return f[name] <= 1.2*none[name] }
}

type manyFigures struct{ create, remove, run, ps, psRunning figures }

// withContainers fills every contestant up to n containers and measures.
func (b *bench) withContainers(cs []*contestant, n int) (m manyFigures, err error) {
	for _, c := range cs {
		if err := c.fill(n); err != nil {
			return m, err
		}
	}
	rounds := b.rounds(15)
	ids := map[string][]string{}
	m.create, err = interleave(rounds, eachOf(cs, func(c *contestant) (time.Duration, error) {
		begin := time.Now()
		id, err := c.output("create", "--network", "none", image, "true")
		ids[c.name] = append(ids[c.name], id)
		return time.Since(begin), err
	}))
	if err != nil {
		return m, err
	}
	m.remove, err = interleave(rounds, eachOf(cs, func(c *contestant) (time.Duration, error) {
		id := ids[c.name][0]
		ids[c.name] = ids[c.name][1:]
		return c.do("rm", id)
	}))
	if err != nil {
		return m, err
	}
	if m.run, err = interleave(rounds, eachOf(cs, runTrue)); err != nil {
		return m, err
	}
	if m.ps, err = interleave(rounds, eachOf(cs, func(c *contestant) (time.Duration, error) { return c.do("ps", "-a") })); err != nil {
		return m, err
	}
	m.psRunning, err = interleave(rounds, eachOf(cs, func(c *contestant) (time.Duration, error) { return c.do("ps") }))
	return m, err
}

// fill creates containers until there are n.
func (c *contestant) fill(n int) error {
	missing := int64(n - c.filled)
	var left atomic.Int64
	left.Store(missing)
	err := together(4, func(int) error {
		for {
			i := left.Add(-1)
			if i < 0 {
				break
			}
			if _, err := c.do("create", "--name", fmt.Sprintf("fill%d", n-int(i)), "--network", "none", image, "true"); err != nil {
				return fmt.Errorf("fill: %w", err)
			}
		}
		return nil
	})
	c.filled = n
	return err
}
