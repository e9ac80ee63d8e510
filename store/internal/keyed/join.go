package keyed

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/store/internal/contract"
	"github.com/berth-engine/berth/volume"
)

// Join makes records of what could be read of the tables of a damaged database. What only finds them is left out: it is made anew.
func Join(whole map[string]map[string][]byte, old *contract.Remains) {
	j := &joining{whole: whole, old: old}
	old.Paths, old.Boot = string(whole[tableMeta][contract.KeyPaths]), string(whole[tableMeta][contract.KeyBoot])
	old.LastEvent, _ = strconv.ParseUint(string(whole[tableMeta][keyEvents]), 10, 64)
	each(j, tableContainer, func(n string, cfg container.Config) {
		c := &container.Container{Config: cfg}
		if !j.decode(tableState, n, &c.State) {
			old.Lost = append(old.Lost, "the state of container "+cfg.Name)
			c.State = contract.LostState
		}
		old.Containers = append(old.Containers, c)
	})
	each(j, tablePod, func(n string, cfg container.PodConfig) {
		p := &container.Pod{Config: cfg}
		j.decode(tablePodState, n, &p.State) // without it, it is empty
		old.Pods = append(old.Pods, p)
	})
	each(j, tableExec, func(_ string, s container.ExecSession) { old.Execs = append(old.Execs, &s) })
	each(j, tableVolume, func(_ string, v volume.Volume) { old.Volumes = append(old.Volumes, &v) })
	each(j, tableExitCode, func(id string, e contract.ExitCode) { old.ExitCodes[id] = e })
	each(j, tableReservation, func(name string, r reservation) {
		old.Reservations = append(old.Reservations, contract.Reservation{Name: name, ID: r.ID, At: r.At})
	})
	for n, value := range whole[tableEvent] {
		if len(value) < timeLength {
			value = nil
		} else {
			value = value[timeLength:]
		}
		whole[tableEvent][n] = value
	}
	each(j, tableEvent, func(_ string, e event.Event) { old.Events = append(old.Events, e) })
}

// joining is one run of Join.
type joining struct {
	whole map[string]map[string][]byte
	old   *contract.Remains
}

func (j *joining) decode(table, key string, into any) bool {
	return json.Unmarshal(j.whole[table][key], into) == nil
}

// each calls fn for the records of a table that can be decoded, in the order of their keys.
func each[T any](j *joining, table string, fn func(key string, record T)) {
	unreadable := 0
	for _, key := range slices.Sorted(maps.Keys(j.whole[table])) {
		var record T
		if !j.decode(table, key, &record) {
			unreadable++
			continue
		}
		fn(key, record)
	}
	if unreadable > 0 {
		j.old.Lost = append(j.old.Lost, fmt.Sprintf("%d rows of the table %s, which cannot be decoded", unreadable, table))
	}
}
