package sqlite_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/sqlite"
)

// web is a container as people have them: 2.2 KB of configuration.
func web(n int) *container.Container {
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

// filled is a database with n containers, each of which has made four events.
func filled(tb testing.TB, n int) string {
	path := filepath.Join(tb.TempDir(), "berth.db")
	s, err := sqlite.Open(tb.Context(), path, paths)
	if err != nil {
		tb.Fatal(err)
	}
	defer s.Close()
	err = s.Update(tb.Context(), store.Volatile, func(tx store.UpdateTx) error {
		for i := range n {
			if err := tx.ContainerWriter().Add(web(i)); err != nil {
				return err
			}
			for _, a := range []event.Action{event.Create, event.Start, event.Died, event.Cleanup} {
				if err := tx.Writer().Append(created(web(i), a)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return path
}

func created(c *container.Container, a event.Action) event.Event {
	return event.Event{Type: event.Container, Action: a, ID: c.Config.ID, Name: c.Config.Name, Image: c.Config.Image.Name, Attributes: c.Config.Labels}
}

var sizes = []int{0, 1000, 10000}

func eachSize(b *testing.B, fn func(b *testing.B, path string, n int)) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n, "_containers"), func(b *testing.B) { fn(b, filled(b, n), n) })
	}
}

// BenchmarkOpenViewClose is what a process that reads does.
func BenchmarkOpenViewClose(b *testing.B) {
	eachSize(b, func(b *testing.B, path string, n int) {
		for b.Loop() {
			s, err := sqlite.Open(b.Context(), path, paths)
			if err != nil {
				b.Fatal(err)
			}
			if err := s.View(b.Context(), func(tx store.Tx) error { _, err := tx.Containers().Alive(); return err }); err != nil {
				b.Fatal(err)
			}
			s.Close()
		}
	})
}

// BenchmarkAll is ps -a.
func BenchmarkAll(b *testing.B) {
	eachSize(b, func(b *testing.B, path string, n int) {
		s, err := sqlite.Open(b.Context(), path, paths)
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		for b.Loop() {
			err := s.View(b.Context(), func(tx store.Tx) error {
				all, err := tx.Containers().All()
				if len(all) != n {
					b.Fatal(len(all))
				}
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkCreateRemove is one Synced commit each.
func BenchmarkCreateRemove(b *testing.B) {
	eachSize(b, func(b *testing.B, path string, n int) { createRemove(b, path, n, store.Synced) })
}

// BenchmarkCreateRemoveVolatile is the same without the disk.
func BenchmarkCreateRemoveVolatile(b *testing.B) {
	eachSize(b, func(b *testing.B, path string, n int) { createRemove(b, path, n, store.Volatile) })
}

func createRemove(b *testing.B, path string, n int, d store.Durability) {
	s, err := sqlite.Open(b.Context(), path, paths)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	c := web(n)
	for b.Loop() {
		err := s.Update(b.Context(), d, func(tx store.UpdateTx) error {
			if err := tx.ContainerWriter().Add(c); err != nil {
				return err
			}
			return tx.Writer().Append(created(c, event.Create))
		})
		if err != nil {
			b.Fatal(err)
		}
		err = s.Update(b.Context(), d, func(tx store.UpdateTx) error {
			if err := tx.ContainerWriter().Remove(c.Config.ID); err != nil {
				return err
			}
			return tx.Writer().Append(created(c, event.Remove))
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
