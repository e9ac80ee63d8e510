package ocispec

import (
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/host"
)

// InitPath is where the init is in the container.
const InitPath = "/run/.berth-init"

// DefaultPath is the search path of a container whose image sets none.
const DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// process fills in the first process.
func (b *builder) process() error {
	c := b.Config
	args := c.Process.Args()
	if len(args) == 0 {
		return errdefs.Invalid("no command: the image has none, so name one after the image")
	}
	if c.Init {
		if b.InitBinary == "" {
			return errdefs.Invalid("the container is to run an init, and none is installed: set init_path in containers.conf, or leave out --init")
		}
		args = append([]string{InitPath, "--"}, args...)
	}
	p, err := common{
		config: c, host: b.Host, user: b.User, hostname: b.Hostname, engineEnv: b.Env, terminal: c.Process.Terminal,
		workDir: c.Process.WorkDir, defaultCaps: b.DefaultCapabilities, appArmor: b.AppArmorProfile, label: b.ProcessLabel,
		privileged: c.Security.Privileged,
	}.document(args, nil, &b.warnings)
	if err != nil {
		return err
	}
	p.OOMScoreAdj = b.oomScoreAdj()
	b.spec.Process = p
	return nil
}

// oomScoreAdj clamps the score: only a process with CAP_SYS_RESOURCE can lower it below its own (proc_pid_oom_score_adj(5)).
func (b *builder) oomScoreAdj() *int {
	if b.Config.Process.OOMScoreAdj == nil {
		return nil
	}
	score := *b.Config.Process.OOMScoreAdj
	if own := b.Host.OOMScoreAdj; score < own && !b.Host.CanRaiseLimits {
		b.warnings.add("the OOM score %d cannot be set without CAP_SYS_RESOURCE: it is %d", score, own)
		score = own
	}
	return &score
}

// ExecProcess makes the process document that an OCI runtime's exec takes (OCI runtime specification, config.md, process).
// The process gets what the container's first one has, but for what the session says otherwise.
func ExecProcess(in ExecInput) (*specs.Process, error) {
	s := in.Session
	if len(s.Command) == 0 {
		return nil, errdefs.Invalid("no command to execute in container %s", in.Config.Name)
	}
	workDir := s.WorkDir
	if workDir == "" {
		workDir = in.Config.Process.WorkDir
	}
	var ignored warnings // the container's own start has told them
	return common{
		config: in.Config, host: in.Host, user: in.User, hostname: in.Hostname, engineEnv: in.Env, terminal: s.Terminal,
		workDir: workDir, defaultCaps: in.DefaultCapabilities, appArmor: in.AppArmorProfile, label: in.ProcessLabel,
		privileged: s.Privileged || in.Config.Security.Privileged,
	}.document(s.Command, s.Env, &ignored)
}

// common is what the first process and later ones are made of.
type common struct {
	config      *container.Config
	host        host.Facts
	user        User
	hostname    string
	engineEnv   []string
	terminal    bool
	workDir     string
	defaultCaps []string
	appArmor    string
	label       string
	privileged  bool
}

func (p common) document(args, env []string, w *warnings) (*specs.Process, error) {
	cwd := p.workDir
	if cwd == "" {
		cwd = "/"
	}
	if err := absolute("working directory", cwd); err != nil {
		return nil, err
	}
	user, err := p.specUser()
	if err != nil {
		return nil, err
	}
	caps, err := p.capabilities(w)
	if err != nil {
		return nil, err
	}
	profile, err := p.appArmorProfile()
	if err != nil {
		return nil, err
	}
	doc := &specs.Process{
		Terminal: p.terminal, User: user, Args: args, Env: p.environment(env), Cwd: cwd, Capabilities: caps,
		Rlimits: p.rlimits(w), NoNewPrivileges: p.config.Security.NoNewPrivileges, ApparmorProfile: profile,
	}
	if p.host.SELinux {
		doc.SelinuxLabel = p.label
	}
	return doc, nil
}

// specUser adds the primary group to the additional ones: a process that drops it must not get a file's rights back by being
// nobody of the group.
func (p common) specUser() (specs.User, error) {
	u := specs.User{UID: p.user.UID, GID: p.user.GID, AdditionalGids: []uint32{p.user.GID}}
	for _, g := range p.user.Groups {
		if !slices.Contains(u.AdditionalGids, g) {
			u.AdditionalGids = append(u.AdditionalGids, g)
		}
	}
	if p.config.Umask == "" {
		return u, nil
	}
	mask, err := strconv.ParseUint(p.config.Umask, 8, 32)
	if err != nil || mask > 0o777 {
		return u, errdefs.Invalid("umask %q is not an octal number up to 0777", p.config.Umask)
	}
	umask := uint32(mask)
	u.Umask = &umask
	return u, nil
}

// environment joins, the later winning: what every container has, the engine's, the configuration's, and more.
//
// The variable "container" tells programs, systemd first, that they run in one; oci is the word that systemd-detect-virt(1)
// knows for a container of no engine it knows by name.
func (p common) environment(more []string) []string {
	env := environment{}
	env.set("PATH=" + DefaultPath)
	env.set("container=oci")
	if p.terminal {
		env.set("TERM=xterm")
	}
	if p.hostname != "" {
		env.set("HOSTNAME=" + p.hostname)
	}
	home := p.user.Home
	if home == "" {
		home = "/"
	}
	env.set("HOME=" + home)
	for _, list := range [][]string{p.engineEnv, p.config.Process.Env, more} {
		for _, assignment := range list {
			env.set(assignment)
		}
	}
	return env.list
}

// environment is a list of assignments with one for each name, in the order of their first appearance.
type environment struct {
	list []string
	at   map[string]int
}

func (e *environment) set(assignment string) {
	name, _, _ := strings.Cut(assignment, "=")
	if name == "" || strings.ContainsRune(assignment, 0) {
		return // execve(2) could not pass it on
	}
	if i, there := e.at[name]; there {
		e.list[i] = assignment
		return
	}
	if e.at == nil {
		e.at = map[string]int{}
	}
	e.at[name] = len(e.list)
	e.list = append(e.list, assignment)
}

// rlimits are clamped to what the host allows.
func (p common) rlimits(w *warnings) []specs.POSIXRlimit {
	var list []specs.POSIXRlimit
	for _, r := range p.config.Process.Rlimits {
		got, clamped := p.host.Clamp(r.Name, host.Limit{Soft: r.Soft, Hard: r.Hard})
		if clamped && r.Asked {
			w.add("the limit %s=%d:%d is more than this host allows: it is %d:%d", r.Name, r.Soft, r.Hard, got.Soft, got.Hard)
		}
		list = append(list, specs.POSIXRlimit{
			Type: "RLIMIT_" + strings.ToUpper(r.Name), Soft: uint64(got.Soft), Hard: uint64(got.Hard), // -1 is RLIM_INFINITY
		})
	}
	return list
}

// appArmorProfile is the name of the profile; empty where there is none to set.
func (p common) appArmorProfile() (string, error) {
	want := p.config.Security.AppArmor
	if want == container.Unconfined || want == "" && (p.privileged || !p.host.AppArmor) {
		return "", nil
	}
	if want == "" {
		return p.appArmor, nil
	}
	if !p.host.AppArmor {
		return "", errdefs.NotImplemented("AppArmor profile %q was asked for, and this host's kernel does not have AppArmor enabled", want)
	}
	return want, nil
}
