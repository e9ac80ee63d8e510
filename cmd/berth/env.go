package main

import (
	"os"

	"github.com/spf13/pflag"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
)

// envFlags are --env and --env-file.
type envFlags struct {
	values, files []string
}

func (o *envFlags) flags(f *pflag.FlagSet) {
	f.StringArrayVarP(&o.values, "env", "e", nil, "Set a variable (`NAME=VALUE`, or NAME to pass it on; repeatable)")
	f.StringArrayVar(&o.files, "env-file", nil, "Read variables from `file`, one a line (repeatable)")
}

// list is the variables, those of files first.
func (o *envFlags) list() ([]string, error) {
	var env []string
	for _, path := range o.files {
		f, err := os.Open(path)
		if err != nil {
			return nil, errdefs.Invalid("--env-file: %w", err)
		}
		vars, err := container.ParseEnvFile(f, path, os.Environ())
		f.Close()
		if err != nil {
			return nil, err
		}
		env = append(env, vars...)
	}
	vars, err := container.ParseEnv(o.values, os.Environ())
	return append(env, vars...), err
}
