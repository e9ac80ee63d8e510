package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/errdefs"
)

func newSystemMigrateCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "migrate --db-backend sqlite|bolt",
		Short: "Convert the database to another kind",
		Long: `Convert the database of containers, volumes and events to the kind that --db-backend names. Containers go
on running. An interrupted conversion has happened or it has not, and can be begun anew.

No other process may have the database open. A database of an older version of berth needs no
conversion: the first command brings it forward.`,
		Example: "berth system migrate --db-backend bolt",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.settings.DatabaseBackend == "" {
				return usageFault(cmd, errdefs.Invalid("which kind of database? Say --db-backend sqlite or --db-backend bolt"))
			}
			log, err := a.logger()
			if err != nil {
				return err
			}
			r, err := a.migrate(cmd.Context(), a.settings, log)
			if err != nil {
				return err
			}
			if r.Converted {
				fmt.Fprintf(a.out, "%s is a %s database now.\n", r.Path, r.Backend)
			} else {
				fmt.Fprintf(a.out, "%s is a %s database already.\n", r.Path, r.Backend)
			}
			if r.Configured != "" {
				fmt.Fprintf(a.err, "containers.conf says database_backend = %q: change it to %q, or every command needs --db-backend.\n", r.Configured, r.Backend)
			}
			return nil
		},
	}
}
