// Command berth runs containers. It holds flags, printing and exit codes; everything it does, a Go program can do through
// package engine.
//
// One file a command, or a family of commands with the same shape. A command's constructor makes its cobra.Command and its
// flags, and a function beside it does the work against the small interface that it needs. What several commands share:
// format.go (--format), exit.go (errors to exit codes), terminal.go (raw mode, size, signals), selection.go (which containers).
package main

import (
	"context"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/engine"
)

func init() {
	cobra.EnableCommandSorting = false // the help lists commands in the order that they are added
}

func main() {
	if engine.Reexecuted() {
		return
	}
	collectLess()
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, args: os.Args, now: time.Now, open: openEngine, check: checkEngine, migrate: migrateEngine}
	os.Exit(a.run(context.Background(), os.Args[1:]))
}

// collectLess lets the heap grow to 16 MB before the garbage collector first runs, which most commands do not live to see; a list of
// thousands of containers takes a quarter less time. GOGC in the environment is left to decide.
func collectLess() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
}

// run executes one command line and returns the exit code.
func (a *app) run(ctx context.Context, args []string) int {
	defer a.close()
	root := newRoot(a, args...)
	root.SetArgs(args)
	return report(a.err, root.ExecuteContext(ctx))
}
