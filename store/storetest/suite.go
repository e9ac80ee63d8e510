// Package storetest is the conformance suite of package store: each rule of its comments is a case with a name of its own,
// which every back end runs, and a long random run is compared with a plain model.
package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/volume"
)

// Opener opens one and the same database, each time anew, in a namespace or, if it is empty, in none. The suite closes what it
// opens.
type Opener func(t *testing.T, namespace string) store.Store

// Run runs the suite. fresh makes a new, empty database for each case.
func Run(t *testing.T, fresh func(t *testing.T) Opener) {
	cases := []struct {
		name string
		fn   func(e *env)
	}{}
	for _, group := range []group{transactionRules, containerRules, configRules, podRules, nameRules, execRules, volumeRules, eventRules, namespaceRules} {
		for _, c := range group {
			cases = append(cases, struct {
				name string
				fn   func(e *env)
			}(c))
		}
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			open := fresh(t)
			e := &env{T: t, open: open}
			e.Store = e.reopen("")
			c.fn(e)
		})
	}
	t.Run("a random run equals the model", func(t *testing.T) {
		t.Parallel()
		compareWithModel(t, fresh(t))
	})
}

// group is a list of rules, each with the test of it.
type group []struct {
	name string
	fn   func(e *env)
}

// env is one case: a store and what makes a test of it short. Every method fails the test by itself.
type env struct {
	*testing.T
	store.Store
	open Opener
}

// reopen opens the database once more, until the end of the test.
func (e *env) reopen(namespace string) store.Store {
	e.Helper()
	s := e.open(e.T, namespace)
	e.Cleanup(func() { s.Close() })
	return s
}

// in is the same case on another Store.
func (e *env) in(s store.Store) *env { return &env{T: e.T, Store: s, open: e.open} }

// view runs fn in a View, which must succeed.
func (e *env) view(fn func(tx store.Tx) error) {
	e.Helper()
	if err := e.Store.View(e.Context(), fn); err != nil {
		e.Fatalf("View: expected no error, got: %v", err)
	}
}

// update runs fn in an Update, which must succeed.
func (e *env) update(fn func(tx store.UpdateTx) error) {
	e.Helper()
	if err := e.Store.Update(e.Context(), store.Volatile, fn); err != nil {
		e.Fatalf("Update: expected no error, got: %v", err)
	}
}

// refused runs fn in an Update, which must return an error that is want (a class, or one of package store's).
func (e *env) refused(want error, fn func(tx store.UpdateTx) error) error {
	e.Helper()
	err := e.Store.Update(e.Context(), store.Volatile, fn)
	e.is(err, want)
	return err
}

// is checks that an error is want and of one class.
func (e *env) is(err, want error) {
	e.Helper()
	if !errors.Is(err, want) {
		e.Fatalf("expected an error that is %q, got: %v", want, err)
	}
	if class := errdefs.Class(err); !errors.Is(err, class) {
		e.Fatalf("expected an error with a class, got: %v", err)
	}
}

// add adds containers.
func (e *env) add(cs ...*container.Container) {
	e.Helper()
	e.update(func(tx store.UpdateTx) error {
		for _, c := range cs {
			if err := tx.ContainerWriter().Add(c); err != nil {
				return err
			}
		}
		return nil
	})
}

// container reads a container by its full ID.
func (e *env) container(id string) (c *container.Container) {
	e.Helper()
	e.view(func(tx store.Tx) (err error) {
		c, err = tx.Containers().Container(id)
		return err
	})
	return c
}

// names checks the names of containers that fn returns.
func (e *env) names(what string, fn func(r store.ContainerReader) ([]*container.Container, error), want ...string) {
	e.Helper()
	var got []string
	e.view(func(tx store.Tx) error {
		cs, err := fn(tx.Containers())
		for _, c := range cs {
			got = append(got, c.Config.Name)
		}
		return err
	})
	e.equal(what, got, want)
}

// equal compares two values; empty and nil slices are the same.
func (e *env) equal(what string, got, want any) {
	e.Helper()
	if v, w := reflect.ValueOf(got), reflect.ValueOf(want); v.Kind() == reflect.Slice && w.Kind() == reflect.Slice && v.Len() == 0 && w.Len() == 0 {
		return
	}
	if !reflect.DeepEqual(got, want) {
		e.Fatalf("%s:\nexpected %s\ngot      %s", what, show(want), show(got))
	}
}

func show(v any) string { return fmt.Sprintf("%+v", v) }

// at is a time with nanoseconds and without a monotonic clock, n seconds into 2026.
func at(n int) time.Time { return time.Date(2026, 1, 1, 0, 0, n, 123456789, time.UTC) }

// id is a full ID that begins with the digits of n.
func id(n int) string { return fmt.Sprintf("%08x%056x", n, n) }

// named is a container with little in it.
func named(n int, name string) *container.Container {
	return &container.Container{
		Config: container.Config{ID: id(n), Name: name, Created: at(n)},
		State:  container.State{Status: container.Created},
	}
}

// change returns c after fn.
func change(c *container.Container, fn func(c *container.Container)) *container.Container {
	fn(c)
	return c
}

// session is an exec session of container c.
func session(n, c int) *container.ExecSession {
	return &container.ExecSession{ID: id(n), Container: id(c), Command: []string{"true"}, Created: at(n), Status: container.Created}
}

// vol is a volume.
func vol(name string) *volume.Volume {
	return &volume.Volume{Name: name, Driver: "local", Mountpoint: "/v/" + name, Created: at(1), Labels: map[string]string{"a": "b"}}
}

// happened is an event about container n.
func happened(n int, a event.Action) event.Event {
	return event.Event{Type: event.Container, Action: a, ID: id(n)}
}
