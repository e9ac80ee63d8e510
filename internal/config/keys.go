package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// setter puts a decoded value into the configuration. Its error says what it should have been.
type setter func(c *Config, value any) error

// keys are the keys that Berth knows, with their table.
var keys = map[string]setter{
	"containers.annotations":          list(func(c *Config) *[]string { return &c.Containers.Annotations }),
	"containers.apparmor_profile":     text(func(c *Config) *string { return &c.Containers.AppArmorProfile }),
	"containers.cgroupns":             text(func(c *Config) *string { return &c.Containers.CgroupNS }),
	"containers.cgroups":              text(func(c *Config) *string { return &c.Containers.Cgroups }),
	"containers.default_capabilities": list(func(c *Config) *[]string { return &c.Containers.DefaultCapabilities }),
	"containers.default_sysctls":      list(func(c *Config) *[]string { return &c.Containers.DefaultSysctls }),
	"containers.default_ulimits":      list(func(c *Config) *[]string { return &c.Containers.DefaultUlimits }),
	"containers.devices":              list(func(c *Config) *[]string { return &c.Containers.Devices }),
	"containers.dns_options":          list(func(c *Config) *[]string { return &c.Containers.DNSOptions }),
	"containers.dns_searches":         list(func(c *Config) *[]string { return &c.Containers.DNSSearches }),
	"containers.dns_servers":          list(func(c *Config) *[]string { return &c.Containers.DNSServers }),
	"containers.env":                  list(func(c *Config) *[]string { return &c.Containers.Env }),
	"containers.env_host":             optionalFlag(func(c *Config) **bool { return &c.Containers.EnvHost }),
	"containers.host_containers_internal_ip": text(func(c *Config) *string {
		return &c.Containers.HostContainersIP
	}),
	"containers.http_proxy":     optionalFlag(func(c *Config) **bool { return &c.Containers.HTTPProxy }),
	"containers.init":           flag(func(c *Config) *bool { return &c.Containers.Init }),
	"containers.init_path":      text(func(c *Config) *string { return &c.Containers.InitPath }),
	"containers.ipcns":          text(func(c *Config) *string { return &c.Containers.IPCNS }),
	"containers.label":          optionalFlag(func(c *Config) **bool { return &c.Containers.Label }),
	"containers.label_opts":     list(func(c *Config) *[]string { return &c.Containers.LabelOptions }),
	"containers.log_driver":     text(func(c *Config) *string { return &c.Containers.LogDriver }),
	"containers.log_opts":       list(func(c *Config) *[]string { return &c.Containers.LogOptions }),
	"containers.log_size_max":   number(func(c *Config) *int64 { return &c.Containers.LogSizeMax }),
	"containers.log_tag":        text(func(c *Config) *string { return &c.Containers.LogTag }),
	"containers.mounts":         list(func(c *Config) *[]string { return &c.Containers.Mounts }),
	"containers.netns":          text(func(c *Config) *string { return &c.Containers.NetNS }),
	"containers.no_hosts":       flag(func(c *Config) *bool { return &c.Containers.NoHosts }),
	"containers.oom_score_adj":  optionalNumber(func(c *Config) **int64 { return &c.Containers.OOMScoreAdj }),
	"containers.pidns":          text(func(c *Config) *string { return &c.Containers.PidNS }),
	"containers.pids_limit":     optionalNumber(func(c *Config) **int64 { return &c.Containers.PidsLimit }),
	"containers.read_only":      flag(func(c *Config) *bool { return &c.Containers.ReadOnly }),
	"containers.restart_policy": text(func(c *Config) *string { return &c.Containers.RestartPolicy }),

	"containers.seccomp_profile": text(func(c *Config) *string { return &c.Containers.SeccompProfile }),
	"containers.shm_size":        text(func(c *Config) *string { return &c.Containers.ShmSize }),
	"containers.tz":              text(func(c *Config) *string { return &c.Containers.TZ }),
	"containers.umask":           text(func(c *Config) *string { return &c.Containers.Umask }),
	"containers.userns":          text(func(c *Config) *string { return &c.Containers.UserNS }),
	"containers.userns_size":     number(func(c *Config) *int64 { return &c.Containers.UserNSSize }),
	"containers.utsns":           text(func(c *Config) *string { return &c.Containers.UTSNS }),
	"containers.volumes":         list(func(c *Config) *[]string { return &c.Containers.Volumes }),

	"berth.events_max_age":    text(func(c *Config) *string { return &c.Berth.EventsMaxAge }),
	"berth.events_max_number": optionalNumber(func(c *Config) **int64 { return &c.Berth.EventsMaxNumber }),

	"engine.cgroup_manager":          text(func(c *Config) *string { return &c.Engine.CgroupManager }),
	"engine.database_backend":        text(func(c *Config) *string { return &c.Engine.DatabaseBackend }),
	"engine.detach_keys":             optionalText(func(c *Config) **string { return &c.Engine.DetachKeys }),
	"engine.env":                     list(func(c *Config) *[]string { return &c.Engine.Env }),
	"engine.events_logfile_max_size": textOrNumber(func(c *Config) *string { return &c.Engine.EventsLogFileMaxSize }),
	"engine.events_logfile_path":     text(func(c *Config) *string { return &c.Engine.EventsLogFile }),
	"engine.events_logger":           text(func(c *Config) *string { return &c.Engine.EventsLogger }),
	"engine.image_default_transport": text(func(c *Config) *string { return &c.Engine.ImageDefaultTransport }),
	"engine.image_volume_mode":       text(func(c *Config) *string { return &c.Engine.ImageVolumeMode }),
	"engine.infra_image":             text(func(c *Config) *string { return &c.Engine.InfraImage }),
	"engine.monitor_path":            list(func(c *Config) *[]string { return &c.Engine.MonitorPaths }),
	"engine.namespace":               text(func(c *Config) *string { return &c.Engine.Namespace }),
	"engine.pull_policy":             text(func(c *Config) *string { return &c.Engine.PullPolicy }),
	"engine.runtime":                 text(func(c *Config) *string { return &c.Engine.Runtime }),
	"engine.runtimes":                lists(func(c *Config) *map[string][]string { return &c.Engine.Runtimes }),
	"engine.static_dir":              text(func(c *Config) *string { return &c.Engine.StaticDir }),
	"engine.stop_timeout":            optionalNumber(func(c *Config) **int64 { return &c.Engine.StopTimeout }),
	"engine.tmp_dir":                 text(func(c *Config) *string { return &c.Engine.TmpDir }),
	"engine.volume_path":             text(func(c *Config) *string { return &c.Engine.VolumePath }),
}

// scalar sets a field whose type is the value's.
func scalar[T any](kind string, field func(*Config) *T) setter {
	return func(c *Config, value any) error {
		v, ok := value.(T)
		if !ok {
			return wrongType(kind, value)
		}
		*field(c) = v
		return nil
	}
}

// optional is scalar for a field that tells a value from none.
func optional[T any](kind string, field func(*Config) **T) setter {
	return func(c *Config, value any) error {
		v, ok := value.(T)
		if !ok {
			return wrongType(kind, value)
		}
		*field(c) = &v
		return nil
	}
}

func text(field func(*Config) *string) setter          { return scalar("a string", field) }
func flag(field func(*Config) *bool) setter            { return scalar("true or false", field) }
func number(field func(*Config) *int64) setter         { return scalar("an integer", field) }
func optionalText(field func(*Config) **string) setter { return optional("a string", field) }
func optionalFlag(field func(*Config) **bool) setter   { return optional("true or false", field) }
func optionalNumber(field func(*Config) **int64) setter {
	return optional("an integer", field)
}

// textOrNumber is text for what may be written without quotation marks, too.
func textOrNumber(field func(*Config) *string) setter {
	return func(c *Config, value any) error {
		switch v := value.(type) {
		case string:
			*field(c) = v
		case int64:
			*field(c) = strconv.FormatInt(v, 10)
		default:
			return wrongType("a string or an integer", value)
		}
		return nil
	}
}

// list sets a list of strings. The element {append=true} adds to what earlier files have set instead of replacing it.
func list(field func(*Config) *[]string) setter {
	return func(c *Config, value any) error {
		elements, appended, err := stringList(value)
		if err != nil {
			return err
		}
		if appended {
			elements = append(slices.Clone(*field(c)), elements...)
		}
		*field(c) = elements
		return nil
	}
}

// lists sets the lists of a table by their names, keeping those of earlier files.
func lists(field func(*Config) *map[string][]string) setter {
	return func(c *Config, value any) error {
		table, ok := value.(map[string]any)
		if !ok {
			return wrongType("a table of lists of strings", value)
		}
		merged := maps.Clone(*field(c))
		if merged == nil {
			merged = map[string][]string{}
		}
		for name, v := range table {
			elements, appended, err := stringList(v)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if appended {
				elements = append(slices.Clone(merged[name]), elements...)
			}
			merged[name] = elements
		}
		*field(c) = merged
		return nil
	}
}

// stringList never returns a nil list: an empty one is a choice (default_capabilities = []).
func stringList(value any) (elements []string, appended bool, err error) {
	values, ok := value.([]any)
	if !ok {
		return nil, false, wrongType("a list of strings", value)
	}
	elements = []string{}
	for _, v := range values {
		switch v := v.(type) {
		case string:
			elements = append(elements, v)
		case map[string]any:
			add, isBool := v["append"].(bool)
			if !isBool || len(v) != 1 {
				return nil, false, fmt.Errorf("the only table that a list may hold is {append=true} or {append=false}")
			}
			appended = add
		default:
			return nil, false, wrongType("a list of strings", v)
		}
	}
	return elements, appended, nil
}

func wrongType(want string, value any) error {
	return fmt.Errorf("want %s, got %s", want, kindOf(value))
}

// kindOf names a decoded value's type as the format does.
func kindOf(value any) string {
	switch v := value.(type) {
	case string:
		return fmt.Sprintf("the string %q", v)
	case bool:
		return fmt.Sprintf("the boolean %v", v)
	case int64:
		return fmt.Sprintf("the integer %d", v)
	case float64:
		return fmt.Sprintf("the number %v", v)
	case []any, []map[string]any:
		return "a list"
	case map[string]any:
		return "a table"
	}
	return "a date"
}
