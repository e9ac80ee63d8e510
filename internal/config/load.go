package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/berth-engine/berth/errdefs"
)

// The usual places, of which later ones win.
const (
	vendorFile = "/usr/share/containers/containers.conf"
	systemFile = "/etc/containers/containers.conf"
	systemDir  = "/etc/containers/containers.conf.d"
)

// Load reads the configuration: the file named, or without one that of $CONTAINERS_CONF, or else the usual places: those of the
// distribution, of the administrator, and of a user other than root. What $CONTAINERS_CONF_OVERRIDE names is read last in any
// case. A file of the usual places need not exist; a file that is named must.
//
// The errors are ErrNotFound, and ErrInvalidArgument for a file that is not TOML or has a value of another type than the key's;
// they name the file, and the key or the line.
func Load(file string) (*Config, error) {
	return load(source{root: "/", file: file, getenv: os.Getenv, uid: os.Geteuid()})
}

// source is where a configuration is read from.
type source struct {
	root   string // "/", or another directory in tests
	file   string
	getenv func(string) string
	uid    int
}

func load(s source) (*Config, error) {
	c := &Config{}
	named := s.file
	if named == "" {
		named = s.getenv("CONTAINERS_CONF")
	}
	if named != "" {
		if err := c.mustRead(named); err != nil {
			return nil, err
		}
	} else if err := c.readUsual(s.usual()); err != nil {
		return nil, err
	}
	if override := s.getenv("CONTAINERS_CONF_OVERRIDE"); override != "" {
		if err := c.mustRead(override); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// usual lists the files of the usual places, whether they exist or not.
func (s source) usual() []string {
	files := []string{filepath.Join(s.root, vendorFile), filepath.Join(s.root, systemFile)}
	files = append(files, confFiles(filepath.Join(s.root, systemDir))...)
	if s.uid == 0 {
		return files
	}
	dir := s.getenv("XDG_CONFIG_HOME")
	if dir == "" {
		home := s.getenv("HOME")
		if home == "" {
			return files
		}
		dir = filepath.Join(home, ".config")
	}
	files = append(files, filepath.Join(dir, "containers/containers.conf"))
	return append(files, confFiles(filepath.Join(dir, "containers/containers.conf.d"))...)
}

// confFiles are the files of a directory whose names end in .conf, sorted. One that cannot be listed has none.
func confFiles(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var files []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".conf") && !e.IsDir() {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	return files
}

func (c *Config) readUsual(files []string) error {
	for _, file := range files {
		if err := c.read(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (c *Config) mustRead(file string) error {
	err := c.read(file)
	if errors.Is(err, fs.ErrNotExist) {
		return errdefs.NotFound("configuration file %s does not exist", file)
	}
	return err
}

// read lays one file over what is there. The error wraps fs.ErrNotExist if there is no such file.
func (c *Config) read(file string) error {
	content, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return err
	case errors.Is(err, fs.ErrPermission):
		return errdefs.Denied("configuration file %s cannot be read: %w", file, err)
	case err != nil:
		return errdefs.Internal("configuration file %s cannot be read: %w", file, err)
	}
	if err := c.apply(string(content)); err != nil {
		return errdefs.Invalid("configuration file %s: %w", file, err)
	}
	c.Files = append(c.Files, file)
	return nil
}

// apply sets what the text says, key by key, in the order of the keys' names.
func (c *Config) apply(content string) error {
	var tables map[string]any
	if _, err := toml.Decode(content, &tables); err != nil {
		return err
	}
	for _, table := range []string{"berth", "containers", "engine"} {
		values, ok := tables[table].(map[string]any)
		if !ok && tables[table] != nil {
			return fmt.Errorf("%s: want a table, got %s", table, kindOf(tables[table]))
		}
		for _, name := range slices.Sorted(maps.Keys(values)) {
			set, known := keys[table+"."+name]
			if !known {
				continue
			}
			if err := set(c, values[name]); err != nil {
				return fmt.Errorf("%s.%s: %w", table, name, err)
			}
		}
	}
	return nil
}
