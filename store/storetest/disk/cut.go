package disk

import (
	"math/rand/v2"
	"os"
	"path/filepath"
)

// sector is what a disk writes whole or not at all.
const sector = 512

// Cut makes of dir, which holds the files as they were before the operations, what a disk may hold when power fails after them: all
// that was synced, and of what was not synced any part, in sectors, in any order. It draws lots by r; with keep 0 nothing that
// was not synced is left, with 1 all of it.
func Cut(dir string, ops []Op, keep float64, r *rand.Rand) error {
	safe := map[string]int{} // by file: how many of the operations are synced
	for i, op := range ops {
		if op.Kind == Sync {
			safe[op.File] = i
		}
	}
	for i, op := range ops {
		lucky := func() bool { return i < safe[op.File] || r.Float64() < keep }
		if err := op.do(dir, lucky); err != nil {
			return err
		}
	}
	return nil
}

// do does what is lucky of an operation.
func (op Op) do(dir string, lucky func() bool) error {
	if op.Kind == Sync || op.Kind == Truncate && !lucky() {
		return nil
	}
	f, err := os.OpenFile(filepath.Join(dir, op.File), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if op.Kind == Truncate {
		return f.Truncate(op.Offset)
	}
	for at := 0; at < len(op.Data); {
		end := min(len(op.Data), at+sector-int(op.Offset+int64(at))%sector)
		if lucky() {
			if _, err := f.WriteAt(op.Data[at:end], op.Offset+int64(at)); err != nil {
				return err
			}
		}
		at = end
	}
	return nil
}
