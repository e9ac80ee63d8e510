package storetest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/store"
)

// Web is a container as people have them, with 2.2 KB of configuration.
func Web(n int) *container.Container {
	digest := strings.Repeat("b2", 32)
	var layers []string
	for i := range 6 {
		layers = append(layers, fmt.Sprintf("/var/lib/berth/storage/overlay/%064x/diff", i))
	}
	return &container.Container{
		Config: container.Config{
			ID: fmt.Sprintf("%032x%032x", uint64(n)*0x9e3779b97f4a7c15, n), Name: fmt.Sprint("web", n), Created: time.Unix(int64(n), 0),
			CreateCommand: []string{"berth", "run", "-d", "--name", "web", "-p", "8080:80", "nginx"},
			Image: container.Image{
				ID: digest, Name: "docker.io/library/nginx:latest", RawName: "nginx", Digest: "sha256:" + digest, Layers: layers,
				OS: "linux", Architecture: "amd64", Command: []string{"nginx", "-g", "daemon off;"},
			},
			Process: container.Process{
				Entrypoint: []string{"/docker-entrypoint.sh"}, Command: []string{"nginx", "-g", "daemon off;"}, WorkDir: "/",
				Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "NGINX_VERSION=1.27.0", "TERM=xterm"},
			},
			Mounts: []container.Mount{
				{Type: container.Bind, Source: "/srv/web", Destination: "/usr/share/nginx/html", Options: []string{"rbind", "rprivate"}},
				{Type: container.Volume, Source: "logs", Destination: "/var/log/nginx"},
			},
			Network: container.Network{Ports: []container.Port{{HostPort: 8080, ContainerPort: 80, Range: 1, Protocol: "tcp"}}},
			Labels:  map[string]string{"maintainer": "NGINX Docker Maintainers <docker-maint@nginx.com>", "tier": "front"},
			ShmSize: 65536000, StopSignal: 15, StopTimeout: 10, Log: container.Log{Driver: "k8s-file"},
		},
		State: container.State{Status: container.Exited, Started: time.Unix(int64(n), 0), Finished: time.Unix(int64(n)+1, 0), Run: 1, ExitCode: 0},
	}
}

// Happened is an event of a container.
func Happened(c *container.Container, a event.Action) event.Event {
	return event.Event{Type: event.Container, Action: a, ID: c.Config.ID, Name: c.Config.Name, Image: c.Config.Image.Name, Attributes: c.Config.Labels}
}

// Fill puts n containers into a store, each of which has made four events.
func Fill(tb testing.TB, s store.Store, n int) {
	tb.Helper()
	err := s.Update(tb.Context(), store.Volatile, func(tx store.UpdateTx) error {
		for i := range n {
			if err := tx.ContainerWriter().Add(Web(i)); err != nil {
				return err
			}
			for _, a := range []event.Action{event.Create, event.Start, event.Died, event.Cleanup} {
				if err := tx.Writer().Append(Happened(Web(i), a)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// Benchmarks measures a back end with no, a thousand and ten thousand containers.
func Benchmarks(b *testing.B, backend Backend) {
	for _, n := range []int{0, 1000, 10000} {
		path := filepath.Join(b.TempDir(), "berth.db")
		s := backend.open(b, path)
		Fill(b, s, n)
		s.Close()
		for _, m := range []struct {
			name string
			fn   func(m *measured, b *testing.B)
		}{
			{"a process that does nothing", process("nothing")}, {"a process that reads", process("read")},
			{"a process that writes", process("write")},
			{"open, read, close", (*measured).openRead}, {"open, write, close", (*measured).openWrite},
			{"list all", (*measured).list}, {"list the running", (*measured).alive},
			{"create and remove", (*measured).createRemove}, {"change a state", (*measured).changeState},
		} {
			b.Run(fmt.Sprint(m.name, "/", n), func(b *testing.B) {
				m.fn(&measured{backend: backend, path: path, n: n, c: Web(n)}, b)
			})
		}
	}
}

func (b Backend) open(tb testing.TB, path string) store.Store {
	tb.Helper()
	s, err := b.Open(tb.Context(), path)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// measured is what one benchmark works on: a database with n containers, and one more.
type measured struct {
	backend Backend
	path    string
	n       int
	c       *container.Container
}

func (m *measured) add(tx store.UpdateTx) error {
	return errors.Join(tx.ContainerWriter().Add(m.c), tx.Writer().Append(Happened(m.c, event.Create)))
}

func (m *measured) remove(tx store.UpdateTx) error {
	return errors.Join(tx.ContainerWriter().Remove(m.c.Config.ID), tx.Writer().Append(Happened(m.c, event.Remove)))
}

// with opens the store, runs fn, and closes it.
func (m *measured) with(b *testing.B, fn func(s store.Store) error) {
	s := m.backend.open(b, m.path)
	if err := errors.Join(fn(s), s.Close()); err != nil {
		b.Fatal(err)
	}
}

// openRead is what a process does that looks something up.
func (m *measured) openRead(b *testing.B) {
	for b.Loop() {
		m.with(b, func(s store.Store) error {
			return s.View(b.Context(), func(tx store.Tx) error { _, err := tx.Containers().Alive(); return err })
		})
	}
}

// openWrite is what a process does that creates a container, or removes one.
func (m *measured) openWrite(b *testing.B) {
	there := false
	for b.Loop() {
		fn := m.add
		if there {
			fn = m.remove
		}
		there = !there
		m.with(b, func(s store.Store) error { return s.Update(b.Context(), store.Synced, fn) })
	}
	if there {
		m.with(b, func(s store.Store) error { return s.Update(b.Context(), store.Synced, m.remove) })
	}
}

// process measures whole processes: with what a start of this program costs, which one that does nothing shows.
func process(role string) func(m *measured, b *testing.B) {
	return func(m *measured, b *testing.B) {
		n := int(time.Now().UnixNano() / 1000)
		for b.Loop() {
			n++
			if out, err := command(role, n, m.path).CombinedOutput(); err != nil {
				b.Fatalf("%v: %s", err, out)
			}
		}
	}
}

// readOnce is a process that looks something up.
func (b Backend) readOnce(ctx context.Context, path string) error {
	s, err := b.Open(ctx, path)
	if err != nil {
		return err
	}
	return errors.Join(s.View(ctx, func(tx store.Tx) error { _, err := tx.Containers().Alive(); return err }), s.Close())
}

// writeOnce is a process that changes something for good.
func (b Backend) writeOnce(ctx context.Context, n int, path string) error {
	s, err := b.Open(ctx, path)
	if err != nil {
		return err
	}
	return errors.Join(s.Update(ctx, store.Synced, func(tx store.UpdateTx) error {
		return errors.Join(tx.VolumeWriter().Add(vol(fmt.Sprint(n))), tx.Writer().Append(event.Event{Type: event.Volume, Action: event.Create}))
	}), s.Close())
}

func (m *measured) list(b *testing.B) {
	m.with(b, func(s store.Store) error {
		for b.Loop() {
			err := s.View(b.Context(), func(tx store.Tx) error {
				all, err := tx.Containers().All()
				if len(all) != m.n {
					b.Fatalf("expected %d containers, got %d", m.n, len(all))
				}
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (m *measured) alive(b *testing.B) {
	m.with(b, func(s store.Store) error {
		for b.Loop() {
			if err := s.View(b.Context(), func(tx store.Tx) error { _, err := tx.Containers().Alive(); return err }); err != nil {
				return err
			}
		}
		return nil
	})
}

// createRemove is two Synced updates.
func (m *measured) createRemove(b *testing.B) {
	m.with(b, func(s store.Store) error {
		for b.Loop() {
			err := errors.Join(s.Update(b.Context(), store.Synced, m.add), s.Update(b.Context(), store.Synced, m.remove))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// changeState is one Volatile update, as a start makes.
func (m *measured) changeState(b *testing.B) {
	m.with(b, func(s store.Store) error {
		if err := s.Update(b.Context(), store.Synced, m.add); err != nil {
			return err
		}
		for b.Loop() {
			err := s.Update(b.Context(), store.Volatile, func(tx store.UpdateTx) error {
				return errors.Join(tx.ContainerWriter().SetState(m.c.Config.ID, container.State{Status: container.Exited}),
					tx.Writer().Append(Happened(m.c, event.Start)))
			})
			if err != nil {
				return err
			}
		}
		return s.Update(b.Context(), store.Synced, m.remove)
	})
}
