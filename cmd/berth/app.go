package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/berth-engine/berth/engine"
	"github.com/berth-engine/berth/errdefs"
)

// app is one invocation of the command: its streams, its global flags and, once a command has needed it, the engine.
type app struct {
	in       io.Reader
	out, err io.Writer
	// settings are the global flags. Read them after the command line has been parsed.
	settings settings
	// open makes the services; set by main and by tests.
	open func(ctx context.Context, s settings, log *slog.Logger) (*services, error)
	// check is berth system check; set likewise.
	check func(ctx context.Context, s settings, log *slog.Logger, repair bool) (*engine.CheckReport, error)
	// migrate is berth system migrate; set likewise.
	migrate func(ctx context.Context, s settings, log *slog.Logger) (*engine.MigrateReport, error)
	// args are the program's arguments, with its name, for CreateCommand.
	args []string
	// now is the clock.
	now func() time.Time

	opened *services
}

// settings are the global flags.
type settings struct {
	Root, RunRoot       string
	Config              string
	Runtime             string
	CgroupManager       string
	DatabaseBackend     string
	MonitorPath         string
	Namespace           string
	StorageDriver       string
	LogLevel            string
	Debug, showsVersion bool

	// starts is no flag: the command starts a process.
	starts bool
}

// services are the engine as the commands see it. Each field is an interface declared beside the commands that call it.
type services struct {
	Containers containers
	Execs      execs
	Images     images
	Volumes    volumes
	System     system

	Close func() error
}

// services opens the engine at the first call.
func (a *app) services(ctx context.Context) (*services, error) {
	if a.opened != nil {
		return a.opened, nil
	}
	log, err := a.logger()
	if err != nil {
		return nil, err
	}
	if d := a.settings.StorageDriver; d != "" && d != "overlay" {
		return nil, errdefs.NotImplemented("--storage-driver %s: only overlay is there", d)
	}
	s, err := a.open(ctx, a.settings, log)
	if err != nil {
		return nil, err
	}
	a.opened = s
	return s, nil
}

// servicesToStart is services for a command that is about to start a process, which the kernel gets ready for meanwhile.
func (a *app) servicesToStart(ctx context.Context) (*services, error) {
	a.settings.starts = true
	return a.services(ctx)
}

// close ends what services opened.
func (a *app) close() {
	if a.opened != nil && a.opened.Close != nil {
		a.opened.Close()
	}
	a.opened = nil
}

// logger is where the engine's own messages go: standard error, from --log-level on.
func (a *app) logger() (*slog.Logger, error) {
	levels := map[string]slog.Level{
		"trace": slog.LevelDebug, "debug": slog.LevelDebug, "info": slog.LevelInfo, "": slog.LevelWarn,
		"warn": slog.LevelWarn, "warning": slog.LevelWarn,
		"error": slog.LevelError, "fatal": slog.LevelError, "panic": slog.LevelError,
	}
	level, ok := levels[strings.ToLower(a.settings.LogLevel)]
	if !ok {
		return nil, errdefs.Invalid("--log-level %q: choose debug, info, warn or error", a.settings.LogLevel)
	}
	if a.settings.Debug {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: level})), nil
}

// terminalOf returns the stream's descriptor if it is a terminal.
func terminalOf(stream any) (fd int, ok bool) {
	f, isFile := stream.(*os.File)
	if !isFile {
		return -1, false
	}
	return int(f.Fd()), term.IsTerminal(int(f.Fd()))
}

// isTerminal reports whether a stream is a terminal.
func isTerminal(stream any) bool {
	_, ok := terminalOf(stream)
	return ok
}
