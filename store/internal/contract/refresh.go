package contract

import (
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/store/internal/rules"
)

// Refresh spares no namespace: a reboot is everybody's.
func (w writer) Refresh(bootID string) error {
	if err := w.refreshContainers(time.Now()); err != nil {
		return err
	}
	if err := w.refreshPods(); err != nil {
		return err
	}
	sessions, err := w.rows.Execs.Of("")
	if err != nil {
		return err
	}
	for _, s := range sessions {
		if err := w.rows.Execs.Delete(s); err != nil {
			return err
		}
	}
	return w.rows.Meta.SetMeta(KeyBoot, bootID)
}

func (w writer) refreshContainers(now time.Time) error {
	type change struct {
		id    string
		state container.State
	}
	var changes []change
	err := w.rows.Containers.Each(Selection{}, func(c *container.Container) bool {
		changes = append(changes, change{c.Config.ID, c.State})
		return true
	})
	if err != nil {
		return err
	}
	for _, c := range changes {
		exit, found, err := w.rows.ExitCodes.ExitCode(c.id)
		if err != nil {
			return err
		}
		var code *int
		if found {
			code = &exit.Code
		}
		if err := w.rows.Containers.SetState(c.id, rules.AfterReboot(c.state, code, exit.Recorded, now)); err != nil {
			return err
		}
	}
	return nil
}

func (w writer) refreshPods() error {
	var all []*container.Pod
	if err := w.rows.Pods.Each("", func(p *container.Pod) { all = append(all, p) }); err != nil {
		return err
	}
	for _, p := range all {
		p.State.CgroupPath = ""
		if err := w.rows.Pods.SetState(p.Config.ID, p.State); err != nil {
			return err
		}
	}
	return nil
}
