// Package keyed makes the rows of package contract out of ordered tables of keys and values, for back ends that have nothing
// more: bolt and memory.
//
// Records are JSON. A number N stands for 8 bytes, the highest first, so that keys are in the order of the numbers; 0 for a zero
// byte. Numbers count up in order of insertion. The tables:
//
//	meta           key → value, as contract's Meta; besides "events": the highest number that an event ever had
//	object         ID → name, kind, namespace, pod (JSON)
//	name           name → ID
//	container      N → container.Config
//	container_id   ID → N of container
//	container_of   "image" 0 image ID 0 N, "pod" 0 pod ID 0 N, "alive" 0 N (may have processes) → nothing
//	state          N of container → container.State
//	pod            N → container.PodConfig
//	pod_id         ID → N of pod
//	pod_state      N of pod → container.PodState
//	exec           N → container.ExecSession
//	exec_id        ID → N of exec
//	exec_of        container ID 0 N of exec → nothing
//	volume         name → volume.Volume
//	reference      relation 0 target 0 container ID → nothing
//	exit_code      container ID → contract.ExitCode
//	reservation    name → ID, time (JSON)
//	event          event number N → time as N (ns since 1970 + 2⁶³), event.Event
package keyed

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/berth-engine/berth/store/internal/contract"
	"github.com/berth-engine/berth/store/internal/rules"
)

// Table is one table of a transaction.
type Table interface {
	// Get returns the value of a key, nil if there is none. The caller does not change it, and does not keep it.
	Get(key string) ([]byte, error)
	Put(key string, value []byte) error
	// Delete deletes a key; one that is not there is no error.
	Delete(key string) error
	// Scan calls fn for the keys from one on, in order, until it returns false. fn does not write.
	Scan(from string, fn func(key string, value []byte) (more bool, err error)) error
	// Last is the highest key, empty if there is none.
	Last() (string, error)
}

// Meta is the table of contract.Meta, in which a back end may keep what it needs to know of itself too.
const Meta = "meta"

// The tables. A back end makes them all.
const (
	tableMeta        = Meta
	tableObject      = "object"
	tableName        = "name"
	tableContainer   = "container"
	tableContainerID = "container_id"
	tableContainerOf = "container_of"
	tableState       = "state"
	tablePod         = "pod"
	tablePodID       = "pod_id"
	tablePodState    = "pod_state"
	tableExec        = "exec"
	tableExecID      = "exec_id"
	tableExecOf      = "exec_of"
	tableVolume      = "volume"
	tableReference   = "reference"
	tableExitCode    = "exit_code"
	tableReservation = "reservation"
	tableEvent       = "event"
)

// Tables are the names of all tables.
func Tables() []string {
	return []string{tableMeta, tableObject, tableName, tableContainer, tableContainerID, tableContainerOf, tableState, tablePod,
		tablePodID, tablePodState, tableExec, tableExecID, tableExecOf, tableVolume, tableReference, tableExitCode,
		tableReservation, tableEvent}
}

// Rows makes rows of tables. file names the database, for errors.
func Rows(file string, table func(name string) Table) contract.Rows {
	t := tables{file, table}
	return contract.Rows{
		Objects: objects{t}, Containers: containers{t}, Pods: pods{t}, Execs: execs{t}, Volumes: volumes{t}, References: references{t},
		ExitCodes: exitCodes{t}, Reservations: reservations{t}, Events: events{t}, Meta: meta{t},
	}
}

// tables are the tables of one transaction.
type tables struct {
	file  string
	table func(name string) Table
}

// read decodes the value of a key, if there is one.
func (t tables) read(table, key string, into any) (found bool, err error) {
	if key == "" {
		return false, nil
	}
	b, err := t.table(table).Get(key)
	if err != nil || b == nil {
		return false, err
	}
	return true, t.decode(b, into)
}

func (t tables) decode(b []byte, into any) error {
	if err := json.Unmarshal(b, into); err != nil {
		return rules.Damaged(t.file, fmt.Sprintf("a record cannot be read: %v", err))
	}
	return nil
}

// write encodes a record.
func (t tables) write(table, key string, v any) error {
	b, err := rules.Encode(v)
	if err != nil {
		return err
	}
	return t.table(table).Put(key, b)
}

// text is the value of a key as it is, empty if there is none.
func (t tables) text(table, key string) (string, error) {
	if key == "" {
		return "", nil
	}
	b, err := t.table(table).Get(key)
	return string(b), err
}

// prefixed calls fn for the keys that begin with a prefix, until it returns false.
func (t tables) prefixed(table, prefix string, fn func(key string, value []byte) (bool, error)) error {
	return t.table(table).Scan(prefix, func(key string, value []byte) (bool, error) {
		if !strings.HasPrefix(key, prefix) {
			return false, nil
		}
		return fn(key, value)
	})
}

// next is the key of a new record of a table that counts up.
func (t tables) next(table string) (string, error) {
	last, err := t.table(table).Last()
	if err != nil {
		return "", err
	}
	return number(fromNumber(last) + 1), nil
}

// number is a number as a key.
func number(n uint64) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	return string(b[:])
}

// fromNumber is the number of a key, 0 of an empty one.
func fromNumber(key string) uint64 {
	if len(key) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64([]byte(key))
}

// joined is a key of several parts.
func joined(parts ...string) string { return strings.Join(parts, "\x00") }

// meta implements contract.Meta.
type meta struct{ tables }

func (t meta) Meta(key string) (string, error) { return t.text(tableMeta, key) }

func (t meta) SetMeta(key, value string) error {
	return t.table(tableMeta).Put(key, []byte(value))
}
