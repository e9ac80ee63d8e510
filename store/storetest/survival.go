package storetest

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/storetest/disk"
)

// testMany has eight processes change one new database, which all of them find missing, while others read: one observes every
// snapshot it can get, one keeps an old snapshot, one is foreign.
func (b Backend) testMany(t *testing.T) {
	const workers = 8
	lasts, mayWait := 3*time.Second, 20*time.Second
	if long() {
		lasts, mayWait = time.Minute, 2*time.Second
	}
	path := filepath.Join(t.TempDir(), "new", "berth.db")
	var all []*child
	tails := make(chan string, workers)
	for n := range workers {
		c := start(t, "work", n, path)
		all = append(all, c)
		go func() { tails <- lastLine(c.out) }()
	}
	s, err := b.Open(t.Context(), path)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	defer s.Close()
	holder := start(t, "hold", 0, path)
	if line, err := holder.out.ReadString('\n'); line != "holding\n" {
		t.Fatalf("the one that keeps a snapshot: expected it to be holding one, got %q, %v: %s", line, err, holder.stderr)
	}
	release := func() {}
	if b.Foreign != nil {
		release = b.Foreign(t, path)
	}
	o, views := new(observer), 0
	for ends := time.Now().Add(lasts); time.Now().Before(ends); views++ {
		if err := s.View(t.Context(), o.check); err != nil {
			t.Fatalf("snapshot %d: %v", views, err)
		}
	}
	updates, longest := 0, time.Duration(0)
	for _, c := range all {
		c.in.Close()
	}
	for n, c := range all {
		var u int
		var l time.Duration
		tail := <-tails
		if _, err := fmt.Sscanf(tail, "end %d %d", &u, &l); err != nil {
			t.Errorf("a process ended with %q", tail)
		}
		if err := c.Wait(); err != nil {
			t.Errorf("process %d: %v: %s", n, err, c.stderr)
		}
		updates, longest = updates+u, max(longest, l)
	}
	release()
	holder.in.Close()
	if err := holder.Wait(); err != nil {
		t.Errorf("the one that keeps a snapshot: %v: %s", err, holder.stderr)
	}
	t.Logf("%d updates by %d processes in %v, the longest took %v; %d snapshots observed", updates, workers, lasts, longest, views)
	if longest > mayWait {
		t.Errorf("expected no update to take longer than %v, one took %v", mayWait, longest)
	}
	if err := s.View(t.Context(), o.check); err != nil {
		t.Error(err)
	}
	if err := b.Check(t.Context(), path); err != nil {
		t.Error(err)
	}
}

// lastLine reads to the end.
func lastLine(r io.Reader) string {
	text, _ := io.ReadAll(r)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}

// testKilled kills two writers at random instants, again and again: what they had said is there.
func (b Backend) testKilled(t *testing.T) {
	rounds := 25
	if long() {
		rounds = 500
	}
	var path string
	var o *observer
	for round := range rounds {
		if round%50 == 0 { // so that it does not grow beyond measure
			path, o = filepath.Join(t.TempDir(), "berth.db"), new(observer)
		}
		var pair []*child
		for n := range 2 {
			pair = append(pair, start(t, "work", 2*round+n, path))
		}
		if _, err := pair[0].out.Peek(1); err != nil {
			t.Fatalf("round %d: the writer did nothing: %v: %s", round, err, pair[0].stderr)
		}
		time.Sleep(rand.N(30 * time.Millisecond))
		said := map[string]deed{}
		for _, c := range pair {
			c.Process.Kill()
			text, _ := io.ReadAll(c.out)
			c.Wait()
			if c.stderr.Len() > 0 {
				t.Fatalf("round %d: %s", round, c.stderr)
			}
			readDeeds(t, text, said)
		}
		s, err := b.Open(t.Context(), path)
		if err != nil {
			t.Fatalf("round %d: Open: %v", round, err)
		}
		if err := s.View(t.Context(), func(tx store.Tx) error {
			missing(t, fmt.Sprintf("round %d", round), tx, said, true)
			return o.check(tx)
		}); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		s.Close()
		if round%10 == 0 || round == rounds-1 {
			if err := b.Check(t.Context(), path); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
		}
	}
}

// readDeeds reads what a process has said, but for a line that it did not finish, and keeps the last deed of each container.
func readDeeds(t *testing.T, text []byte, into map[string]deed) {
	t.Helper()
	whole := text[:bytes.LastIndexByte(text, '\n')+1]
	for line := range strings.Lines(string(whole)) {
		d, err := parseDeed(strings.TrimSpace(line))
		if err != nil {
			t.Fatalf("a writer said %q: %v", line, err)
		}
		into[d.id] = d
	}
}

// missing says which deeds are not there. At most one update has been made after the last that was said, so that a container may be
// one change further, or just gone if it may be.
func missing(t *testing.T, when string, tx store.Tx, said map[string]deed, mayGo bool) {
	t.Helper()
	for id, d := range said {
		c, err := tx.Containers().Container(id)
		switch {
		case d.removed && err == nil:
			t.Errorf("%s: container %s is there, though its removal was committed", when, id)
		case d.removed:
		case err != nil && mayGo && lastSaid(tx, id) == removedRun:
		case err != nil:
			t.Errorf("%s: expected container %s at change %d, got: %v", when, id, d.run, err)
		case c.State.Run < d.run:
			t.Errorf("%s: expected container %s at change %d, got %d", when, id, d.run, c.State.Run)
		}
	}
}

// lastSaid is what the last event of a container says.
func lastSaid(tx store.Tx, id string) string {
	o := map[string]string{}
	tx.Events().After(0, func(e event.Event) bool { o[e.ID] = e.Attributes[attribute]; return true })
	return o[id]
}

// testFailingDisk fails every n-th write or sync.
func (b Backend) testFailingDisk(t *testing.T) {
	steps, everies := 80, []int{2, 7, 23}
	if long() {
		steps, everies = 300, []int{1, 2, 3, 5, 7, 11, 23, 61, 97}
	}
	for _, failing := range []struct {
		name string
		kind disk.Kind
		with unix.Errno
	}{{"write", disk.Write, unix.EIO}, {"write for want of space", disk.Write, unix.ENOSPC}, {"sync", disk.Sync, unix.EIO}} {
		for _, every := range everies {
			t.Run(fmt.Sprintf("every %d. %s", every, failing.name), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "berth.db")
				said, errs, n, armed := map[string]deed{}, 0, 0, false
				b.watch(t, path, steps, func(op disk.Op) unix.Errno {
					if !armed || op.Kind != failing.kind {
						return 0
					}
					if n++; n%every == 0 {
						return failing.with
					}
					return 0
				}, func(text string) {
					switch kind, _, _ := strings.Cut(text, " "); kind {
					case "begin", "end":
						armed = kind == "begin"
					case "error":
						errs++
					default:
						d, err := parseDeed(text)
						if err != nil {
							t.Errorf("a process said %q: %v", text, err)
						}
						said[d.id] = d
					}
				})
				t.Logf("%d of %d updates failed", errs, steps)
				if errs == 0 {
					t.Error("expected errors, got none: the disk did not fail")
				}
				b.verify(t, path, func(tx store.Tx) { missing(t, "at the end", tx, said, true) })
			})
		}
	}
}

// watch runs a process of role watched. judge is asked about operations on the database, marked is told its marks.
func (b Backend) watch(t *testing.T, path string, steps int, judge func(disk.Op) unix.Errno, marked func(string)) {
	t.Helper()
	cmd := command("watched", steps, path)
	stderr := new(strings.Builder)
	cmd.Stderr = stderr
	err := disk.Watch(cmd, filepath.Dir(path), func(op disk.Op) unix.Errno {
		switch {
		case strings.HasSuffix(op.File, "-"+mark):
			marked(string(op.Data))
			return 0
		case strings.HasSuffix(op.File, "-shm"), strings.HasSuffix(op.File, "-lock"):
			return 0 // nothing that must last
		}
		return judge(op)
	})
	if err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
}

// verify opens the database, and checks it.
func (b Backend) verify(t *testing.T, path string, fn func(tx store.Tx)) {
	t.Helper()
	s, err := b.Open(t.Context(), path)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	defer s.Close()
	err = s.View(t.Context(), func(tx store.Tx) error {
		fn(tx)
		return new(observer).check(tx)
	})
	if err == nil {
		err = b.Check(t.Context(), path)
	}
	if err != nil {
		t.Error(err)
	}
}

// testPowerCuts plays power cuts after any of the writes of a process: what is left is the state after one of its updates, and no
// earlier one than the last Synced update that it knew to be committed.
func (b Backend) testPowerCuts(t *testing.T) {
	steps, cuts := 80, 120
	if long() {
		steps, cuts = 400, 4000
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "berth.db")
	s, err := b.Open(t.Context(), path) // so that the files, and their names, are on the disk
	if err == nil {
		err = newWorker(s, 0, func(deed) {}).create(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	before := readFiles(t, dir)
	var ops []disk.Op
	var history []moment
	b.watch(t, path, steps, func(op disk.Op) unix.Errno {
		ops = append(ops, op)
		return 0
	}, func(text string) {
		if d, err := parseDeed(text); err == nil {
			history = append(history, moment{len(ops), d})
		}
	})
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	t.Logf("%d operations, %d deeds, seed %d", len(ops), len(history), seed)
	for range cuts {
		at := r.IntN(len(ops) + 1)
		keep := []float64{0, 1, r.Float64()}[r.IntN(3)]
		cut := t.TempDir()
		for name, content := range before {
			if err := os.WriteFile(filepath.Join(cut, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := disk.Cut(cut, ops[:at], keep, r); err != nil {
			t.Fatal(err)
		}
		b.verify(t, filepath.Join(cut, "berth.db"), func(tx store.Tx) {
			if err := sinceSynced(tx, history, at); err != nil {
				t.Errorf("power cut after operation %d of %d, with %.2f of what was not synced: %v", at, len(ops), keep, err)
			}
		})
		if t.Failed() {
			return
		}
		os.RemoveAll(cut)
	}
}

// moment is a deed, and how many operations there had been when it was said.
type moment struct {
	ops int
	deed
}

// sinceSynced says whether what is there is the state after some update, from the last Synced one that was said before the cut on.
func sinceSynced(tx store.Tx, history []moment, cut int) error {
	got := map[string]uint64{}
	all, err := tx.Containers().All()
	if err != nil {
		return err
	}
	for _, c := range all {
		got[c.Config.ID] = c.State.Run
	}
	least := 0
	for i, m := range history {
		if m.ops <= cut && m.synced {
			least = i + 1
		}
	}
	want := map[string]uint64{}
	for id, run := range got { // what was there before the history began
		if !mentioned(history, id) {
			want[id] = run
		}
	}
	for i := 0; ; i++ {
		if i >= least && maps.Equal(want, got) {
			return nil
		}
		if i == len(history) {
			return fmt.Errorf("%d containers are there, which is the state after none of the updates from the %d. on", len(got), least)
		}
		if m := history[i]; m.removed {
			delete(want, m.id)
		} else {
			want[m.id] = m.run
		}
	}
}

func mentioned(history []moment, id string) bool {
	for _, m := range history {
		if m.id == id {
			return true
		}
	}
	return false
}

func readFiles(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if err == nil && !strings.HasSuffix(e.Name(), "-shm") {
			files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name()))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return files
}
