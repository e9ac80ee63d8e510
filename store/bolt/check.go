package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/internal/contract"
	"github.com/berth-engine/berth/store/internal/gate"
	"github.com/berth-engine/berth/store/internal/keyed"
	"github.com/berth-engine/berth/store/internal/rules"
)

// maxProblems is how many problems Check names.
const maxProblems = 5

// Check reads the whole database at path and says what is wrong with it: store.ErrCorrupt. It takes time in proportion to the
// size of the file, holds nobody up and changes nothing. ErrNotFound; store.ErrNewer; ErrConflict if it is another back end's.
func Check(ctx context.Context, path string) error {
	if err := unfinishedRepair(path); err != nil {
		return err
	}
	there, err := exists(path)
	if err != nil {
		return err
	}
	if !there {
		return errdefs.NotFound("%s: there is no database", path)
	}
	s := &Store{path: path}
	if s.gate, err = gate.Open(path); err != nil {
		return err
	}
	defer s.Close()
	if err := s.gate.Use(ctx); err != nil {
		return err
	}
	var found []string
	// The pages first: of those that are not sound nothing else is read.
	if found, err = s.pages(ctx); err == nil && len(found) == 0 {
		err = s.View(ctx, func(tx store.Tx) error {
			if err := checkFormat(path, tx); err != nil {
				return err
			}
			found, err = contract.Problems(tx.(*contract.Tx).Rows())
			return err
		})
	}
	if err != nil || len(found) == 0 {
		return orOtherKind(path, err)
	}
	more := ""
	if n := len(found) - maxProblems; n > 0 {
		found, more = found[:maxProblems], fmt.Sprintf("; and %d more", n)
	}
	return rules.Damaged(path, strings.Join(found, "; ")+more)
}

// pages sees to it that each page is whole and is reached once, and that keys are in order.
func (s *Store) pages(ctx context.Context) (found []string, err error) {
	snap, err := s.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer s.release(snap)
	for bucket, problems := range walkPages(snap.file, snap.meta, nil) {
		for _, p := range problems {
			found = append(found, fmt.Sprintf("bucket %q: %v", bucket, p))
		}
	}
	slices.Sort(found)
	return found, nil
}

// repaired is what the name of a new database ends in while it is put in the place of the old one. Once there is a file of
// this name the repair is decided: a later Repair finishes it, and until then nobody opens the database.
const repaired = "-repaired"

// unfinishedRepair is the error for a database that is being replaced by a repaired one, if nobody is at it any more.
func unfinishedRepair(path string) error {
	_, err := os.Stat(path + repaired)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return gate.ExplainFile(err)
	}
	return rules.Damaged(path, "its repair was interrupted, and is finished by another")
}

// Repair makes a new database of what can be read of the one at path, and puts it in its place; the old one is kept under
// another name. A container whose state cannot be read is Exited with exit code -1. A repair that is interrupted leaves either
// the old database or the new. ErrConflict while another process, or another Store, has the database open; store.ErrNewer;
// ErrNotFound.
func Repair(ctx context.Context, path string) (store.RepairReport, error) {
	var report store.RepairReport
	g, err := gate.Open(path)
	if err != nil {
		return report, err
	}
	defer g.Close()
	alone, err := g.Alone()
	if err != nil {
		return report, err
	}
	if !alone {
		return report, errdefs.Conflict("%s is in use by another process: stop the service and whatever else uses it, then repair it", path)
	}
	if unfinishedRepair(path) == nil {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return report, errdefs.NotFound("%s: there is no database to repair", path)
		}
		old, err := salvage(ctx, path)
		if err != nil {
			return report, err
		}
		err = Build(ctx, path+"-new", path+repaired, func(tx store.UpdateTx) error {
			return old.Write(tx.(contract.UpdateTx), &report)
		})
		if err != nil {
			return report, err
		}
	}
	report.Kept = path + ".damaged-" + time.Now().UTC().Format("20060102T150405.000000000Z")
	return report, exchange(path, report.Kept)
}

// exchange keeps the old file and gives the new one its name. Doing it again finishes it.
func exchange(path, kept string) error {
	if err := os.Rename(path, kept); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return gate.ExplainFile(err)
	}
	if err := os.Rename(path+repaired, path); err != nil {
		return gate.ExplainFile(err)
	}
	return gate.SyncDir(filepath.Dir(path))
}

// salvage reads what can be read: all pages that are what they should be.
func salvage(ctx context.Context, path string) (*contract.Remains, error) {
	old := &contract.Remains{ExitCodes: map[string]contract.ExitCode{}}
	f, err := os.Open(path)
	if err != nil {
		return nil, gate.ExplainFile(err)
	}
	defer f.Close()
	snap, err := tryCopy(f)
	if err != nil || snap == nil {
		old.Lost = append(old.Lost, fmt.Sprintf("everything: %v", err))
		return old, nil
	}
	defer snap.db.Close()
	whole := map[string]map[string][]byte{}
	for _, name := range keyed.Tables() {
		whole[name] = map[string][]byte{}
	}
	problems := walkPages(snap.file, snap.meta, func(bucket string, key, value []byte) {
		if table := whole[bucket]; table != nil {
			table[string(key)] = value
		}
	})
	for bucket, ps := range problems {
		if bucket == "" {
			bucket = "of tables"
		}
		old.Lost = append(old.Lost, fmt.Sprintf("a part of the table %s (%v)", bucket, ps[0]))
	}
	slices.Sort(old.Lost)
	if n, err := strconv.Atoi(string(whole[keyed.Meta][keyFormat])); err == nil && n > format {
		return nil, rules.Newer(path, n, format)
	}
	keyed.Join(whole, old)
	return old, ctx.Err()
}
