package engine

import (
	"context"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/internal/config"
	"github.com/berth-engine/berth/store/backend"
)

// MigrateReport is what Migrate did.
type MigrateReport struct {
	// Path is the database, and Backend what keeps it now: sqlite or bolt.
	Path, Backend string
	// Converted is false if it was of that kind before.
	Converted bool
	// Configured is the back end that containers.conf names, if it is another one: until that is changed, every command has to
	// name the new one, by WithDatabaseBackend.
	Configured string
}

// Migrate converts the database to the back end that WithDatabaseBackend names. Containers go on running: who wants to open the
// database meanwhile, to clean up after one, waits. One that is interrupted has happened or it has not, and can be begun anew.
//
// It takes Open's options. ErrConflict while another process has the database open; ErrNotFound if there is none;
// ErrInvalidArgument if no back end, or an unknown one, is named; store.ErrNewer, store.ErrCorrupt.
func Migrate(ctx context.Context, opts ...Option) (*MigrateReport, error) {
	s := newSettings(opts)
	to, err := backend.Parse(s.database)
	if err != nil {
		return nil, err
	}
	if to == backend.Any {
		return nil, errdefs.Invalid("the database is converted to the back end that is named, and none is: it can be sqlite or bolt")
	}
	p, err := newPaths(s.root, s.runRoot)
	if err != nil {
		return nil, err
	}
	conf, err := config.Load(s.configFile)
	if err != nil {
		return nil, err
	}
	report := &MigrateReport{Path: p.database(), Backend: string(to)}
	configured, err := backend.Parse(conf.Engine.DatabaseBackend)
	if err != nil {
		return nil, err
	}
	if configured != backend.Any && configured != to {
		report.Configured = conf.Engine.DatabaseBackend
	}
	report.Converted, err = backend.Convert(ctx, report.Path, to)
	return report, err
}
