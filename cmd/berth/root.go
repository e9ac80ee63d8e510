package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/errdefs"
)

// The groups of the overview. Every top-level command that is not hidden is in one of them.
const (
	groupRun    = "run"    // make, start, stop and remove containers
	groupInside = "inside" // work with what runs
	groupLook   = "look"   // look at containers
	groupImage  = "image"  // images and registries
	groupSystem = "system" // the rest
)

// newRoot builds the tree of commands, as much of it as the arguments need; all of it without arguments.
func newRoot(a *app, args ...string) *cobra.Command {
	root := &cobra.Command{
		Use:           "berth",
		Short:         "Run containers, without a daemon",
		SilenceErrors: true, SilenceUsage: true,
		Args:             cobra.ArbitraryArgs,
		TraverseChildren: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if a.settings.showsVersion {
				return printShortVersion(a)
			}
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { printHelp(cmd) })
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageFault(cmd, errdefs.With(errdefs.ErrInvalidArgument, err))
	})
	globalFlags(a, root)
	addGroups(root)
	addCommands(a, root, args)
	root.SetHelpCommand(newHelpCmd())
	root.Flags().BoolP("help", "h", false, "Print this")
	plainUseLines(root)
	return root
}

// plainUseLines keeps cobra from adding words to the usage lines, which are complete.
func plainUseLines(cmd *cobra.Command) {
	cmd.DisableFlagsInUseLine = true
	for _, c := range cmd.Commands() {
		plainUseLines(c)
	}
}

func addGroups(root *cobra.Command) {
	root.AddGroup(
		&cobra.Group{ID: groupRun, Title: "Run containers"},
		&cobra.Group{ID: groupInside, Title: "Work with a running container"},
		&cobra.Group{ID: groupLook, Title: "Look at containers"},
		&cobra.Group{ID: groupImage, Title: "Images and registries"},
		&cobra.Group{ID: groupSystem, Title: "Volumes and the system"},
	)
}

// globalFlags are accepted before any command, and after it where the command has no flag of that name.
func globalFlags(a *app, root *cobra.Command) {
	s := &a.settings
	f := root.PersistentFlags()
	f.StringVar(&s.Root, "root", os.Getenv("BERTH_ROOT"), "Keep images, containers and volumes in `dir` (BERTH_ROOT; default /var/lib/berth)")
	f.StringVar(&s.RunRoot, "runroot", os.Getenv("BERTH_RUNROOT"), "Keep what a reboot voids in `dir` (BERTH_RUNROOT; default /run/berth)")
	f.StringVar(&s.Config, "config", os.Getenv("CONTAINERS_CONF"), "Read `file` as containers.conf instead of the usual ones (CONTAINERS_CONF)")
	f.StringVar(&s.Runtime, "runtime", "", "Use this OCI runtime, a name or a path (default: crun, else runc)")
	f.StringVar(&s.CgroupManager, "cgroup-manager", "", "Manage control groups by cgroupfs or systemd")
	f.StringVar(&s.DatabaseBackend, "db-backend", os.Getenv("BERTH_DB_BACKEND"), "Keep the records in this kind of database: sqlite, bolt, any (BERTH_DB_BACKEND; default: what is there, else sqlite)")
	f.StringVar(&s.LogLevel, "log-level", "warn", "Log the engine's own messages from this level on: debug, info, warn, error")
	f.StringVar(&s.MonitorPath, "monitor-path", "", "Use this berth-monitor")
	f.StringVar(&s.Namespace, "namespace", "", "See and make containers of this namespace of the store only")
	f.StringVar(&s.StorageDriver, "storage-driver", "", "Driver of the image store (overlay)")
	f.BoolVarP(&s.Debug, "debug", "D", false, "The same as --log-level debug")
	for _, seldom := range []string{"monitor-path", "storage-driver", "namespace", "debug"} {
		f.Lookup(seldom).Hidden = seldom == "debug" || seldom == "storage-driver"
	}
	root.Flags().BoolVarP(&s.showsVersion, "version", "v", false, "Print the version")
}

// parentCmd makes a command that only has commands below it. Without one it is an error that names the remedy.
func parentCmd(name, short string) *cobra.Command {
	return &cobra.Command{
		Use:   name,
		Short: short,
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return usageFault(cmd, errdefs.Invalid("missing command: %s COMMAND", cmd.CommandPath()))
		},
	}
}

// unknownCommand is the error for a word that is no command, with those that are spelled like it.
func unknownCommand(parent *cobra.Command, word string) error {
	msg := fmt.Sprintf("unknown command %q for %q", word, parent.CommandPath())
	parent.SuggestionsMinimumDistance = 2
	if near := parent.SuggestionsFor(word); len(near) > 0 {
		msg += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return usageFault(parent, errdefs.Invalid("%s", msg))
}

// usageFault makes err one whose report points to the command's help.
func usageFault(cmd *cobra.Command, err error) error {
	return &usageError{command: cmd.CommandPath(), cause: err}
}

// The checks of the number of arguments, each with a message that shows the usage.

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageFault(cmd, errdefs.Invalid("%s takes no arguments, and was given %q", cmd.CommandPath(), args[0]))
	}
	return nil
}

func minArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < n {
			return usageFault(cmd, errdefs.Invalid("missing arguments: %s", cmd.UseLine()))
		}
		return nil
	}
}

func exactArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > n {
			return usageFault(cmd, errdefs.Invalid("too many arguments: %s", cmd.UseLine()))
		}
		return minArgs(n)(cmd, args)
	}
}

func rangeArgs(low, high int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > high {
			return usageFault(cmd, errdefs.Invalid("too many arguments: %s", cmd.UseLine()))
		}
		return minArgs(low)(cmd, args)
	}
}
