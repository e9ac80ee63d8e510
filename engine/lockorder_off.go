//go:build !failpoints

package engine

import "github.com/berth-engine/berth/lock"

type lockTable = *lock.Table

func openLocks(dir string) lockTable { return lock.Open(dir) }
