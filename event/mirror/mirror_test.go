package mirror_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/event/mirror"
)

// past is what a store would have: the events 1 to n.
type past struct {
	mu sync.Mutex
	n  uint64
}

func (p *past) add(n uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n += n
}

func (p *past) last() (uint64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n, nil
}

func (p *past) read(seq uint64, fn func(event.Event) bool) error {
	last, _ := p.last()
	for seq++; seq <= last && fn(happened(seq)); seq++ {
	}
	return nil
}

func happened(seq uint64) event.Event {
	code := int(seq % 3)
	return event.Event{
		Seq: seq, Time: time.Unix(int64(seq), 5).UTC(), Type: event.Container, Action: event.Died, ID: strings.Repeat("ab", 32), Name: "web",
		Image: "docker.io/library/web:1", ExitCode: &code, Attributes: map[string]string{"label": "a \"quoted\"\nvalue"},
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("expected no error, got: %v", err)
	}
}

func open(t *testing.T, o mirror.Options, p *past) *mirror.Mirror {
	t.Helper()
	m, err := mirror.Open(o)
	must(t, err)
	must(t, m.Begin(t.Context(), p.last))
	return m
}

// written are the numbers of the events in a file; a line that is none is 0.
func written(t *testing.T, path string) []uint64 {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	var list []uint64
	for line := range strings.Lines(string(text)) {
		var e event.Line
		_ = json.Unmarshal([]byte(line), &e)
		list = append(list, e.Seq)
	}
	return list
}

func want(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: expected %v, got %v", what, want, got)
	}
}

func TestAFileGetsEveryEventFromItsBeginningOnOnceAndInOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events", "events.log")
	p := &past{n: 3}
	m := open(t, mirror.Options{Kind: mirror.File, Path: path}, p)
	must(t, m.CatchUp(t.Context(), p.read))
	want(t, "before the first", written(t, path), []uint64(nil))
	p.add(2)
	must(t, m.CatchUp(t.Context(), p.read))
	must(t, m.CatchUp(t.Context(), p.read))
	want(t, "the new ones", written(t, path), []uint64{4, 5})
	p.add(1)
	must(t, open(t, mirror.Options{Kind: mirror.File, Path: path}, p).CatchUp(t.Context(), p.read))
	want(t, "after another process has opened it", written(t, path), []uint64{4, 5, 6})
}

func TestALineIsPodmans(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	p := &past{}
	m := open(t, mirror.Options{Kind: mirror.File, Path: path}, p)
	p.add(1)
	must(t, m.CatchUp(t.Context(), p.read))
	text, err := os.ReadFile(path)
	must(t, err)
	want(t, "line", string(text), `{"ID":"`+strings.Repeat("ab", 32)+`","Name":"web","Image":"docker.io/library/web:1","Type":"container","Status":"died",`+
		`"Time":"1970-01-01T00:00:01.000000005Z","ContainerExitCode":1,"Attributes":{"label":"a \"quoted\"\nvalue"},"Seq":1}`+"\n")
}

// A writer is killed after it has written, before it has said so.
func TestWhatAKilledWriterHasWrittenIsNotWrittenAgain(t *testing.T) {
	for name, torn := range map[string]bool{"between two lines": false, "within a line": true} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "events.log")
			p := &past{}
			m := open(t, mirror.Options{Kind: mirror.File, Path: path}, p)
			p.add(2)
			must(t, m.CatchUp(t.Context(), p.read))
			cursor, err := os.ReadFile(path + ".cursor")
			must(t, err)
			p.add(2)
			must(t, m.CatchUp(t.Context(), p.read))
			must(t, os.WriteFile(path+".cursor", cursor, 0o600))
			expected := []uint64{1, 2, 3, 4, 5}
			if torn {
				st, err := os.Stat(path)
				must(t, err)
				must(t, os.Truncate(path, st.Size()-9))
				expected = []uint64{1, 2, 3, 0, 4, 5} // the half line stays, on a line of its own
			}
			p.add(1)
			must(t, m.CatchUp(t.Context(), p.read))
			want(t, "events", written(t, path), expected)
		})
	}
}

func TestLinesOfOthersStay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	const foreign = `{"Name":"podmans","Status":"start","Type":"container"}` + "\n"
	must(t, os.WriteFile(path, []byte(foreign), 0o600))
	p := &past{n: 7}
	m := open(t, mirror.Options{Kind: mirror.File, Path: path}, p)
	p.add(1)
	must(t, m.CatchUp(t.Context(), p.read))
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	must(t, err)
	_, err = f.WriteString(foreign)
	must(t, errors.Join(err, f.Close()))
	p.add(1)
	must(t, m.CatchUp(t.Context(), p.read))
	want(t, "events", written(t, path), []uint64{0, 8, 0, 9})
}

func TestAFileThatIsFullLosesItsOlderHalf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	p := &past{}
	const max = 8 << 10
	m := open(t, mirror.Options{Kind: mirror.File, Path: path, MaxSize: max}, p)
	for range 20 {
		p.add(30)
		must(t, m.CatchUp(t.Context(), p.read))
		st, err := os.Stat(path)
		must(t, err)
		if st.Size() > max {
			t.Fatalf("expected at most %d bytes, got %d", max, st.Size())
		}
	}
	list := written(t, path)
	want(t, "newest", list[len(list)-1], uint64(600))
	for i, seq := range list {
		if seq != list[0]+uint64(i) {
			t.Fatalf("expected numbers without a gap, got %v", list)
		}
	}
	if len(list) < 10 {
		t.Errorf("expected the newer half to stay, got %v", list)
	}
}

func TestManyWritersWriteEachEventOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	p := &past{}
	open(t, mirror.Options{Kind: mirror.File, Path: path}, p)
	var wg sync.WaitGroup
	for range 8 {
		m := open(t, mirror.Options{Kind: mirror.File, Path: path}, p)
		wg.Go(func() {
			for range 50 {
				p.add(1)
				if err := m.CatchUp(t.Context(), p.read); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var expected []uint64
	for seq := range uint64(400) {
		expected = append(expected, seq+1)
	}
	want(t, "events", written(t, path), expected)
}

func TestNoneIsNoMirrorAndOthersAreRefused(t *testing.T) {
	for _, kind := range []string{"", mirror.None} {
		if m, err := mirror.Open(mirror.Options{Kind: kind}); m != nil || err != nil {
			t.Errorf("%q: expected no mirror, got %v, %v", kind, m, err)
		}
	}
	if _, err := mirror.Open(mirror.Options{Kind: "syslog"}); !errors.Is(err, errdefs.ErrInvalidArgument) {
		t.Errorf("expected an invalid argument, got %v", err)
	}
}

func TestADamagedCursorIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	p := &past{}
	m := open(t, mirror.Options{Kind: mirror.File, Path: path}, p)
	must(t, os.WriteFile(path+".cursor", []byte("garbage"), 0o600))
	if err := m.CatchUp(t.Context(), p.read); err == nil || !strings.Contains(err.Error(), path+".cursor") {
		t.Errorf("expected an error that names the cursor, got %v", err)
	}
}
