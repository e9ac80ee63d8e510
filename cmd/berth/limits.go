package main

import (
	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/host"
)

// ownLimits are the limits of this command, for --ulimit host.
func ownLimits() []container.Rlimit {
	facts, err := host.Read()
	if err != nil {
		return nil
	}
	var limits []container.Rlimit
	for name, l := range facts.Limits {
		limits = append(limits, container.Rlimit{Name: name, Soft: l.Soft, Hard: l.Hard})
	}
	return limits
}
