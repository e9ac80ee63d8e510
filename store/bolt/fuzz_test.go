package bolt_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/bolt"
)

// FuzzADamagedFile overwrites a part of a database with anything. Check says so or, if it does not, everything can be read; Repair makes
// a database of it that Check passes. Nothing ends the process.
func FuzzADamagedFile(f *testing.F) {
	whole, err := os.ReadFile(filled(f, 6))
	must(f, err)
	f.Add(uint32(0), []byte{})
	f.Add(uint32(0), make([]byte, 8192))
	for page := uint32(0); page < uint32(len(whole))/4096; page++ {
		f.Add(page*4096+8, []byte{1, 0, 1, 0})               // it is a branch
		f.Add(page*4096+24, []byte{3, 0, 0, 0, 0, 0, 0, 0})  // with another page below
		f.Add(page*4096+28, []byte{255, 255, 0, 0, 0, 0, 0}) // and a long key
		f.Add(page*4096+10, []byte{255, 255})                // and many elements
	}
	f.Fuzz(func(t *testing.T, at uint32, with []byte) {
		file := append([]byte(nil), whole...)
		copy(file[int(at)%len(file):], with)
		path := filepath.Join(t.TempDir(), "berth.db")
		must(t, os.WriteFile(path, file, 0o600))
		err := bolt.Check(t.Context(), path)
		if err == nil {
			s := open(t, path)
			names(t, s)
			must(t, s.Update(t.Context(), store.Synced, func(tx store.UpdateTx) error { return tx.ContainerWriter().Add(web(1000)) }))
			must(t, s.Close())
			return
		}
		if _, rerr := bolt.Repair(t.Context(), path); rerr != nil {
			if errdefs.Class(rerr) == nil {
				t.Fatalf("expected a repair or an error with a class, got: %v (of %v)", rerr, err)
			}
			return
		}
		must(t, bolt.Check(t.Context(), path))
	})
}
