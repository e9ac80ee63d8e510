package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/pflag"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/engine"
	"github.com/berth-engine/berth/errdefs"
)

// createOptions reads the flags' values and the arguments.
func (a *app) createOptions(f *pflag.FlagSet, o *createFlags, args []string) (engine.CreateOptions, error) {
	co := engine.CreateOptions{
		CreateCommand: a.args, Command: args[1:], Progress: a.progress(o.quiet), Runtime: a.settings.Runtime,
	}
	if o.rootfs {
		co.Rootfs, co.RootfsOverlay = rootfsArgument(args[0])
	} else {
		co.Image = args[0]
	}
	if co.Image == "" && co.Rootfs == "" {
		return co, errdefs.Invalid("the name of the image is empty")
	}
	for _, read := range []func(*pflag.FlagSet, *engine.CreateOptions) error{
		o.identityFlags.read, o.processFlags.read, o.isolationFlags.read, o.securityFlags.read,
		o.limitFlags.read, o.storageFlags.read, o.networkFlags.read, o.healthFlags.read,
	} {
		if err := read(f, &co); err != nil {
			return co, err
		}
	}
	if len(co.Network.Ports) > 0 || o.publishAll {
		fmt.Fprintln(a.err, "Warning: ports are not published: that takes a network, which this version does not have yet")
	}
	return co, nil
}

func (o *identityFlags) read(_ *pflag.FlagSet, co *engine.CreateOptions) (err error) {
	if o.gpus != "" {
		return errdefs.NotImplemented("--gpus is not there: give the devices with --device")
	}
	co.Name, co.Replace, co.AutoRemove, co.Requires = strings.TrimPrefix(o.name, "/"), o.replace, o.remove, o.requires
	if o.replace && o.name == "" {
		return errdefs.Invalid("--replace needs --name")
	}
	if o.cidfile != "" {
		if co.CIDFile, err = filepath.Abs(o.cidfile); err != nil {
			return errdefs.Invalid("--cidfile: %w", err)
		}
	}
	if co.Pull, err = pullPolicy(o.pull); err != nil {
		return err
	}
	if co.Platform, err = o.imagePlatform(); err != nil {
		return err
	}
	if co.Restart, err = restartPolicy(o.restart); err != nil {
		return err
	}
	if co.Labels, err = o.allLabels(); err != nil {
		return err
	}
	if co.Annotations, err = container.ParseLabels(o.annotations); err != nil {
		return fmt.Errorf("--annotation: %w", err)
	}
	return o.readLog(&co.Log)
}

// pullPolicy reads --pull. Docker's and podman's older true and false are there too.
func pullPolicy(text string) (engine.PullPolicy, error) {
	switch p := engine.PullPolicy(strings.ToLower(text)); p {
	case engine.PullAlways, engine.PullMissing, engine.PullNever, engine.PullNewer:
		return p, nil
	case "", "ifnotpresent":
		return engine.PullMissing, nil
	case "true":
		return engine.PullAlways, nil
	case "false":
		return engine.PullNever, nil
	}
	return "", errdefs.Invalid("--pull %q: choose always, missing, never or newer", text)
}

// imagePlatform joins --os, --arch and --variant, or is --platform.
func (o *identityFlags) imagePlatform() (string, error) {
	if o.os == "" && o.arch == "" && o.variant == "" {
		return o.platform, nil
	}
	if o.platform != "" {
		return "", errdefs.Invalid("--platform and --os, --arch, --variant exclude each other")
	}
	p := orElse(o.os, "linux") + "/" + orElse(o.arch, runtime.GOARCH)
	if o.variant != "" {
		p += "/" + o.variant
	}
	return p, nil
}

// allLabels are those of the files and those of the command line, which win.
func (o *identityFlags) allLabels() (map[string]string, error) {
	labels := map[string]string{}
	for _, path := range o.labelFiles {
		f, err := os.Open(path)
		if err != nil {
			return nil, errdefs.Invalid("--label-file: %w", err)
		}
		fromFile, err := container.ParseLabelFile(f, path)
		f.Close()
		if err != nil {
			return nil, err
		}
		maps.Copy(labels, fromFile)
	}
	own, err := container.ParseLabels(o.labels)
	if err != nil {
		return nil, err
	}
	maps.Copy(labels, own)
	return labels, nil
}

func (o *identityFlags) readLog(l *container.Log) error {
	if o.logDriver != "" {
		if err := container.CheckLogDriver(o.logDriver); err != nil {
			return err
		}
	}
	l.Driver = o.logDriver
	for _, opt := range o.logOpts {
		if err := l.Apply(opt); err != nil {
			return err
		}
	}
	return nil
}

func (o *processFlags) read(f *pflag.FlagSet, co *engine.CreateOptions) (err error) {
	if f.Changed("entrypoint") {
		argv, err := commandList("--entrypoint", o.entrypoint)
		if err != nil {
			return err
		}
		co.Entrypoint = &argv
	}
	own, err := o.env.list()
	if err != nil {
		return err
	}
	co.Env = append(o.inherited(), own...)
	co.UnsetEnv, co.UnsetAll = o.unsetEnv, o.unsetEnvAll
	co.WorkDir, co.User, co.Groups, co.HostUsers = o.workdir, o.user, o.groups, o.hostUsers
	co.Terminal, co.Stdin = o.tty, o.interactive
	co.Init, co.InitPath = o.init || o.initPath != "", o.initPath
	co.StopSignal, co.PreserveFDs, co.Timezone = o.stopSignal, o.preserveFDs, o.timezone
	if err := o.check(); err != nil {
		return err
	}
	if o.umask != "" {
		if co.Umask, err = container.ParseUmask(o.umask); err != nil {
			return err
		}
	}
	if f.Changed("stop-timeout") {
		if o.stopTimeout < 0 {
			o.stopTimeout = int(^uint32(0) >> 1) // -1 waits for ever, which sixty-eight years are
		}
		seconds := uint(o.stopTimeout)
		co.StopTimeout = &seconds
	}
	return nil
}

// check refuses values before anything is made.
func (o *processFlags) check() error {
	if o.workdir != "" && !strings.HasPrefix(o.workdir, "/") {
		return errdefs.Invalid("--workdir %q: write an absolute path", o.workdir)
	}
	if o.user != "" {
		if err := container.CheckUser(o.user); err != nil {
			return err
		}
	}
	if o.stopSignal != "" {
		if _, err := container.ParseSignal(o.stopSignal); err != nil {
			return err
		}
	}
	return nil
}

// inherited is what of this command's own environment goes into the container's.
func (o *processFlags) inherited() []string {
	if o.envHost {
		return os.Environ()
	}
	if !o.httpProxy {
		return nil
	}
	var env []string
	for _, name := range []string{"http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// commandList reads a command that is one word or a JSON list. Empty is an empty list.
func commandList(flag, text string) ([]string, error) {
	if strings.HasPrefix(text, "[") {
		var argv []string
		if err := json.Unmarshal([]byte(text), &argv); err != nil {
			return nil, errdefs.Invalid("%s %s: not a JSON list of strings", flag, text)
		}
		return argv, nil
	}
	if text == "" {
		return []string{}, nil
	}
	return []string{text}, nil
}

func (o *isolationFlags) read(_ *pflag.FlagSet, co *engine.CreateOptions) (err error) {
	ns := &co.Namespaces
	for _, n := range []struct {
		kind container.NamespaceKind
		text string
		to   *container.Namespace
	}{
		{container.PIDNamespace, o.pid, &ns.PID},
		{container.IPCNamespace, o.ipc, &ns.IPC},
		{container.UTSNamespace, o.uts, &ns.UTS},
		{container.CgroupNamespace, o.cgroupns, &ns.Cgroup},
		{container.UserNamespace, o.userns, &ns.User},
	} {
		if n.text == "" {
			continue
		}
		if *n.to, err = container.ParseNamespace(n.kind, n.text); err != nil {
			return err
		}
	}
	if ns.UIDMap, err = idMaps(o.uidmap); err != nil {
		return fmt.Errorf("--uidmap: %w", err)
	}
	if ns.GIDMap, err = idMaps(o.gidmap); err != nil {
		return fmt.Errorf("--gidmap: %w", err)
	}
	if o.hostname != "" {
		if err := container.CheckHostname(o.hostname); err != nil {
			return err
		}
	}
	ns.Hostname = o.hostname
	return o.completeMaps(ns)
}

func idMaps(values []string) ([]container.IDMap, error) {
	var maps []container.IDMap
	for _, v := range values {
		m, err := container.ParseIDMap(v)
		if err != nil {
			return nil, err
		}
		maps = append(maps, m)
	}
	return maps, nil
}

// completeMaps makes a user namespace of maps, and one map of the other.
func (o *isolationFlags) completeMaps(ns *container.Namespaces) error {
	if len(ns.UIDMap) == 0 && len(ns.GIDMap) == 0 {
		return nil
	}
	switch ns.User.Mode {
	case container.Default, container.Private:
		ns.User.Mode = container.Private
	default:
		return errdefs.Invalid("--userns %s and --uidmap exclude each other", o.userns)
	}
	if len(ns.GIDMap) == 0 {
		ns.GIDMap = ns.UIDMap
	}
	if len(ns.UIDMap) == 0 {
		ns.UIDMap = ns.GIDMap
	}
	return nil
}

func (o *securityFlags) read(_ *pflag.FlagSet, co *engine.CreateOptions) (err error) {
	sec := &co.Security
	sec.Privileged = o.privileged
	if sec.CapAdd, err = container.ParseCapabilities(o.capAdd); err != nil {
		return fmt.Errorf("--cap-add: %w", err)
	}
	if sec.CapDrop, err = container.ParseCapabilities(o.capDrop); err != nil {
		return fmt.Errorf("--cap-drop: %w", err)
	}
	for _, opt := range o.securityOpts {
		if err := sec.Apply(opt); err != nil {
			return err
		}
	}
	if err := readSeccomp(sec); err != nil {
		return err
	}
	for _, s := range o.sysctls {
		name, value, err := container.ParseSysctl(s)
		if err != nil {
			return fmt.Errorf("--sysctl: %w", err)
		}
		if sec.Sysctl == nil {
			sec.Sysctl = map[string]string{}
		}
		sec.Sysctl[name] = value
	}
	for _, s := range o.devices {
		d, err := container.ParseDevice(s)
		if err != nil {
			return fmt.Errorf("--device: %w", err)
		}
		co.Devices = append(co.Devices, d)
	}
	co.Resources.DeviceCgroupRules = o.deviceRules
	return nil
}

// maxSeccomp bounds a profile, in bytes: the largest in use have some 50,000.
const maxSeccomp = 4 << 20

// readSeccomp reads the seccomp profile that the options name: a regular file of a sensible size.
func readSeccomp(sec *container.Security) error {
	if sec.Seccomp == "" || sec.Seccomp == container.Unconfined {
		return nil
	}
	fi, err := os.Stat(sec.Seccomp)
	if err != nil {
		return errdefs.Invalid("--security-opt seccomp=%s: %w", sec.Seccomp, err)
	}
	if !fi.Mode().IsRegular() || fi.Size() > maxSeccomp {
		return errdefs.Invalid("--security-opt seccomp=%s is no profile: it is not a regular file, or larger than %d bytes", sec.Seccomp, maxSeccomp)
	}
	data, err := os.ReadFile(sec.Seccomp)
	if err != nil {
		return errdefs.Invalid("--security-opt seccomp=%s: %w", sec.Seccomp, err)
	}
	sec.SeccompProfile = string(data)
	return nil
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
