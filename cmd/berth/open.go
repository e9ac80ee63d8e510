package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/berth-engine/berth/engine"
)

// engineOptions are the global flags as the engine takes them.
func engineOptions(s settings, log *slog.Logger) []engine.Option {
	opts := []engine.Option{engine.WithLogger(log)}
	for _, o := range []struct {
		value  string
		option func(string) engine.Option
	}{
		{s.Root, engine.WithRoot},
		{s.RunRoot, engine.WithRunRoot},
		{s.Config, engine.WithConfigFile},
		{s.Runtime, engine.WithRuntime},
		{s.CgroupManager, engine.WithCgroupManager},
		{s.DatabaseBackend, engine.WithDatabaseBackend},
		{s.MonitorPath, engine.WithMonitor},
		{s.Namespace, engine.WithNamespace},
	} {
		if o.value != "" {
			opts = append(opts, o.option(o.value))
		}
	}
	if s.starts {
		opts = append(opts, engine.WithStart())
	}
	return opts
}

// checkEngine checks what the engine would work with; a damaged database keeps openEngine from it.
func checkEngine(ctx context.Context, s settings, log *slog.Logger, repair bool) (*engine.CheckReport, error) {
	return engine.Check(ctx, repair, engineOptions(s, log)...)
}

// migrateEngine converts the database of what the engine would work with.
func migrateEngine(ctx context.Context, s settings, log *slog.Logger) (*engine.MigrateReport, error) {
	return engine.Migrate(ctx, engineOptions(s, log)...)
}

// openEngine opens the engine with the global flags.
func openEngine(ctx context.Context, s settings, log *slog.Logger) (*services, error) {
	e, err := engine.Open(ctx, engineOptions(s, log)...)
	if err != nil {
		return nil, err
	}
	return &services{
		Containers: e.Containers,
		Execs:      e.Execs,
		Images:     e.Images,
		Volumes:    e.Volumes,
		System:     e.System,
		Close:      e.Close,
	}, nil
}

// printShortVersion answers berth --version, for which no engine is opened.
func printShortVersion(a *app) error {
	_, err := fmt.Fprintf(a.out, "berth version %s\n", engine.Build().Version)
	return err
}
