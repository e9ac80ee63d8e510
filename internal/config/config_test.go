package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/berth-engine/berth/errdefs"
)

// place makes files below a new root directory and returns a source that reads there as root.
func place(t *testing.T, files map[string]string, env map[string]string) source {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	getenv := func(name string) string { return strings.ReplaceAll(env[name], "ROOT", root) }
	return source{root: root, getenv: getenv}
}

func mustLoad(t *testing.T, s source) *Config {
	t.Helper()
	c, err := load(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWithoutFilesTheConfigurationIsZero(t *testing.T) {
	if got := mustLoad(t, place(t, nil, nil)); !reflect.DeepEqual(got, &Config{}) {
		t.Errorf("got %+v, want the zero value", got)
	}
}

func TestLaterFilesWin(t *testing.T) {
	s := place(t, map[string]string{
		vendorFile:             "[containers]\numask = '0001'\ntz = 'vendor'\nlog_driver = 'a'\ninit_path = '/v'\n",
		systemFile:             "[containers]\numask = '0002'\ntz = 'system'\nlog_driver = 'b'\n",
		systemDir + "/20.conf": "[containers]\ntz = 'twenty'\nlog_driver = 'c'\n",
		systemDir + "/10.conf": "[containers]\ntz = 'ten'\n",
		systemDir + "/README":  "this is no TOML",
		"over.conf":            "[containers]\nlog_driver = 'd'\n",
	}, map[string]string{"CONTAINERS_CONF_OVERRIDE": "ROOT/over.conf"})
	c := mustLoad(t, s)
	got := []string{c.Containers.InitPath, c.Containers.Umask, c.Containers.TZ, c.Containers.LogDriver}
	if want := []string{"/v", "0002", "twenty", "d"}; !slices.Equal(got, want) {
		t.Errorf("init_path, umask, tz, log_driver: got %v, want %v", got, want)
	}
	if len(c.Files) != 5 || filepath.Base(c.Files[2]) != "10.conf" {
		t.Errorf("files read: got %v, want the five in their order", c.Files)
	}
}

func TestANamedFileReplacesTheUsualPlaces(t *testing.T) {
	files := map[string]string{
		systemFile: "[containers]\numask = '0002'\n",
		"env.conf": "[containers]\ntz = 'by environment'\n",
		"arg.conf": "[containers]\ntz = 'by argument'\n",
	}
	s := place(t, files, map[string]string{"CONTAINERS_CONF": "ROOT/env.conf"})
	if c := mustLoad(t, s); c.Containers.TZ != "by environment" || c.Containers.Umask != "" {
		t.Errorf("with CONTAINERS_CONF: got %+v, want tz of that file only", c.Containers)
	}
	s.file = filepath.Join(s.root, "arg.conf")
	if c := mustLoad(t, s); c.Containers.TZ != "by argument" || c.Containers.Umask != "" {
		t.Errorf("with an explicit file: got %+v, want tz of that file only", c.Containers)
	}
}

func TestANamedFileMustExist(t *testing.T) {
	for _, variable := range []string{"CONTAINERS_CONF", "CONTAINERS_CONF_OVERRIDE"} {
		_, err := load(place(t, nil, map[string]string{variable: "ROOT/gone.conf"}))
		if !errors.Is(err, errdefs.ErrNotFound) || !strings.Contains(err.Error(), "gone.conf") {
			t.Errorf("%s: got %v, want not found, naming the file", variable, err)
		}
	}
}

func TestAUsersOwnFileIsReadUnlessRoot(t *testing.T) {
	files := map[string]string{
		"home/.config/containers/containers.conf":          "[engine]\nruntime = 'of the user'\n",
		"home/.config/containers/containers.conf.d/1.conf": "[engine]\nnamespace = 'of the user'\n",
		"xdg/containers/containers.conf":                   "[engine]\nruntime = 'of XDG'\n",
	}
	s := place(t, files, map[string]string{"HOME": "ROOT/home"})
	if c := mustLoad(t, s); c.Engine.Runtime != "" {
		t.Errorf("root: got runtime %q, want none", c.Engine.Runtime)
	}
	s.uid = 1000
	if c := mustLoad(t, s); c.Engine.Runtime != "of the user" || c.Engine.Namespace != "of the user" {
		t.Errorf("user: got %+v, want the user's values", c.Engine)
	}
	s.getenv = func(name string) string {
		return map[string]string{"HOME": s.root + "/home", "XDG_CONFIG_HOME": s.root + "/xdg"}[name]
	}
	if c := mustLoad(t, s); c.Engine.Runtime != "of XDG" || c.Engine.Namespace != "" {
		t.Errorf("user with XDG_CONFIG_HOME: got %+v, want its values", c.Engine)
	}
}

func TestListsReplaceUnlessTheySayAppend(t *testing.T) {
	s := place(t, map[string]string{
		vendorFile: "[containers]\nenv = ['A=1']\nvolumes = ['/a:/a']\ndefault_capabilities = ['KILL']\n[engine.runtimes]\ncrun = ['/a/crun']\nrunc = ['/a/runc']\n",
		systemFile: "[containers]\nenv = ['B=2', {append=true}]\nvolumes = ['/b:/b']\ndefault_capabilities = []\n[engine.runtimes]\ncrun = ['/b/crun']\nkata = ['/b/kata']\n",
	}, nil)
	c := mustLoad(t, s)
	if want := []string{"A=1", "B=2"}; !slices.Equal(c.Containers.Env, want) {
		t.Errorf("env: got %v, want %v", c.Containers.Env, want)
	}
	if want := []string{"/b:/b"}; !slices.Equal(c.Containers.Volumes, want) {
		t.Errorf("volumes: got %v, want %v", c.Containers.Volumes, want)
	}
	if got := c.Containers.DefaultCapabilities; got == nil || len(got) != 0 {
		t.Errorf("default_capabilities: got %#v, want an empty list that is not nil", got)
	}
	want := map[string][]string{"crun": {"/b/crun"}, "runc": {"/a/runc"}, "kata": {"/b/kata"}}
	if !reflect.DeepEqual(c.Engine.Runtimes, want) {
		t.Errorf("runtimes: got %v, want %v", c.Engine.Runtimes, want)
	}
}

func TestUnknownKeysAreKeptQuiet(t *testing.T) {
	s := place(t, map[string]string{
		systemFile: "top = 1\n[containers]\nfuture = [1, 2]\numask = '0027'\n[engine]\nnum_locks = 2048\n[engine.service_destinations.x]\nuri = 'y'\n[machine]\ncpus = 1\n",
	}, nil)
	if c := mustLoad(t, s); c.Containers.Umask != "0027" {
		t.Errorf("umask: got %q, want 0027", c.Containers.Umask)
	}
}

func TestValuesOfAnotherTypeAreNamedWithFileAndKey(t *testing.T) {
	tests := map[string]string{
		"[containers]\numask = 22":                              "containers.umask: want a string, got the integer 22",
		"[containers]\ninit = 'yes'":                            `containers.init: want true or false, got the string "yes"`,
		"[containers]\npids_limit = 1.5":                        "containers.pids_limit: want an integer, got the number 1.5",
		"[containers]\nenv = 'A=1'":                             "containers.env: want a list of strings, got the string",
		"[containers]\nenv = ['A=1', 2]":                        "containers.env: want a list of strings, got the integer 2",
		"[containers]\nenv = ['A=1', {add=true}]":               "containers.env: the only table",
		"[engine]\nruntimes = ['x']":                            "engine.runtimes: want a table of lists of strings, got a list",
		"[engine.runtimes]\ncrun = '/x'":                        "engine.runtimes: crun: want a list of strings",
		"[engine]\nruntime = 1979-05-27":                        "engine.runtime: want a string, got a date",
		"[engine]\ndetach_keys = true":                          "engine.detach_keys: want a string, got the boolean true",
		"[[engine]]\nruntime = 'x'":                             "engine: want a table, got a list",
		"containers = 3":                                        "containers: want a table, got the integer 3",
		"[containers]\nno equals sign":                          "line 2",
		"[containers]\nlabel = 1\n# and the file is UTF-8 \xff": "line",
	}
	for content, want := range tests {
		_, err := load(place(t, map[string]string{systemFile: content}, nil))
		if !errors.Is(err, errdefs.ErrInvalidArgument) {
			t.Errorf("%q: got %v, want an invalid argument", content, err)
			continue
		}
		if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), systemFile) {
			t.Errorf("%q: got %q, want it to name %s and to say %q", content, err, systemFile, want)
		}
	}
}

// TestEveryKeyIsRead sets each key to a value of its type and sees that a field of its own took it.
func TestEveryKeyIsRead(t *testing.T) {
	seen := map[string]string{}
	for name, set := range keys {
		var c Config
		taken := false
		for _, value := range []any{"x", true, int64(7), []any{"x"}, map[string]any{"x": []any{"y"}}} {
			if set(&c, value) == nil {
				taken = true
				break
			}
		}
		field := changedField(c)
		if !taken || field == "" {
			t.Errorf("%s: no type of value sets anything", name)
		}
		if other, twice := seen[field]; twice {
			t.Errorf("%s and %s set the same field %s", name, other, field)
		}
		seen[field] = name
	}
	if fields := reflect.TypeFor[Containers]().NumField() + reflect.TypeFor[Engine]().NumField() + reflect.TypeFor[Berth]().NumField(); fields != len(seen) {
		t.Errorf("%d fields are set by %d keys, want one key for each field", fields, len(seen))
	}
}

// changedField is the name of the one field that is not zero.
func changedField(c Config) string {
	for _, table := range []any{c.Containers, c.Engine, c.Berth} {
		v := reflect.ValueOf(table)
		for i := range v.NumField() {
			if !v.Field(i).IsZero() {
				return v.Type().Name() + "." + v.Type().Field(i).Name
			}
		}
	}
	return ""
}

func TestThisMachinesConfigurationLoads(t *testing.T) {
	file := filepath.Join(t.TempDir(), "containers.conf")
	if err := os.WriteFile(file, []byte("[engine]\nstop_timeout = 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CONTAINERS_CONF_OVERRIDE", "")
	c, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	if c.Engine.StopTimeout == nil || *c.Engine.StopTimeout != 3 {
		t.Errorf("stop_timeout: got %v, want 3", c.Engine.StopTimeout)
	}
}

func FuzzApply(f *testing.F) {
	f.Add("[containers]\nenv = ['A=1', {append=true}]\n[engine.runtimes]\ncrun = ['/x']\n")
	f.Fuzz(func(t *testing.T, content string) {
		var c Config
		c.apply(content) // must neither panic nor hang
	})
}

func BenchmarkLoadNothing(b *testing.B) {
	s := source{root: b.TempDir(), getenv: func(string) string { return "" }}
	for b.Loop() {
		if _, err := load(s); err != nil {
			b.Fatal(err)
		}
	}
}
