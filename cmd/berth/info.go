package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/engine"
)

// infoDocument is what info prints: podman's document, with Berth's own choice of an OCI runtime in it. Docker's names for the
// same facts are methods, so that templates written for docker info work.
type infoDocument struct {
	Host       infoHost       `json:"host"`
	Store      infoStore      `json:"store"`
	Registries infoRegistries `json:"registries"`
	Plugins    infoPlugins    `json:"plugins"`
	Version    versionPart    `json:"version"`
	source     *engine.Info
}

type infoHost struct {
	Arch              string           `json:"arch"`
	CgroupControllers []string         `json:"cgroupControllers"`
	CgroupManager     string           `json:"cgroupManager"`
	CgroupVersion     string           `json:"cgroupVersion"`
	CgroupMode        string           `json:"cgroupMode"`
	CPUUtilization    infoCPU          `json:"cpuUtilization"`
	CPUs              int              `json:"cpus"`
	Distribution      infoDistribution `json:"distribution"`
	EventLogger       string           `json:"eventLogger"`
	Hostname          string           `json:"hostname"`
	Kernel            string           `json:"kernel"`
	Linkmode          string           `json:"linkmode"`
	LogDriver         string           `json:"logDriver"`
	MemFree           int64            `json:"memFree"`
	MemTotal          int64            `json:"memTotal"`
	Monitor           infoProgram      `json:"monitor"`
	OCIRuntime        infoRuntime      `json:"ociRuntime"`
	OCIRuntimes       []infoRuntime    `json:"ociRuntimes"`
	OS                string           `json:"os"`
	Security          infoSecurity     `json:"security"`
	ServiceIsRemote   bool             `json:"serviceIsRemote"`
	SwapFree          int64            `json:"swapFree"`
	SwapTotal         int64            `json:"swapTotal"`
	Uptime            string           `json:"uptime"`
}

type infoCPU struct {
	UserPercent   float64 `json:"userPercent"`
	SystemPercent float64 `json:"systemPercent"`
	IdlePercent   float64 `json:"idlePercent"`
}

type infoDistribution struct {
	Distribution string `json:"distribution"`
	Version      string `json:"version"`
	Codename     string `json:"codename,omitempty"`
}

type infoProgram struct {
	Path    string `json:"path"`
	Version string `json:"version,omitempty"`
	Problem string `json:"problem,omitempty"`
}

type infoRuntime struct {
	Name    string `json:"name"`
	Path    string `json:"path"`
	Version string `json:"version,omitempty"`
	Chosen  bool   `json:"chosen"`
	Reason  string `json:"reason"`
}

type infoSecurity struct {
	AppArmorEnabled bool     `json:"apparmorEnabled"`
	Capabilities    []string `json:"capabilities"`
	Rootless        bool     `json:"rootless"`
	SECCOMPEnabled  bool     `json:"seccompEnabled"`
	SELinuxEnabled  bool     `json:"selinuxEnabled"`
}

type infoStore struct {
	ContainerStore     infoContainers    `json:"containerStore"`
	Database           string            `json:"database"`
	DatabasePath       string            `json:"databasePath"`
	GraphDriverName    string            `json:"graphDriverName"`
	GraphRoot          string            `json:"graphRoot"`
	GraphRootAllocated int64             `json:"graphRootAllocated"`
	GraphRootUsed      int64             `json:"graphRootUsed"`
	GraphStatus        map[string]string `json:"graphStatus"`
	ImageStore         infoCount         `json:"imageStore"`
	Root               string            `json:"root"`
	RunRoot            string            `json:"runRoot"`
	VolumePath         string            `json:"volumePath"`
	VolumeStore        infoCount         `json:"volumeStore"`
}

type infoContainers struct {
	Number  int `json:"number"`
	Running int `json:"running"`
	Paused  int `json:"paused"`
	Stopped int `json:"stopped"`
}

type infoCount struct {
	Number int `json:"number"`
}

type infoRegistries struct {
	Search  []string `json:"search,omitempty"`
	Blocked []string `json:"blocked,omitempty"`
}

type infoPlugins struct {
	Log     []string `json:"log"`
	Network []string `json:"network"`
	Volume  []string `json:"volume"`
}

// Docker's names.

func (d infoDocument) ID() string               { return d.source.Host.Hostname + ":" + d.source.Store.Root }
func (d infoDocument) Containers() int          { return d.source.Store.Containers }
func (d infoDocument) ContainersRunning() int   { return d.source.Store.Running }
func (d infoDocument) ContainersPaused() int    { return d.source.Store.Paused }
func (d infoDocument) ContainersStopped() int   { return d.source.Store.Stopped }
func (d infoDocument) Images() int              { return d.source.Store.Images }
func (d infoDocument) Driver() string           { return d.source.Store.GraphDriver }
func (d infoDocument) LoggingDriver() string    { return d.source.Host.LogDriver }
func (d infoDocument) CgroupDriver() string     { return d.source.Host.CgroupManager }
func (d infoDocument) CgroupVersion() string    { return fmt.Sprint(d.source.Host.CgroupVersion) }
func (d infoDocument) KernelVersion() string    { return d.source.Host.Kernel }
func (d infoDocument) OperatingSystem() string  { return d.source.Host.Distribution.PrettyName }
func (d infoDocument) OSType() string           { return d.source.Host.OS }
func (d infoDocument) OSVersion() string        { return d.source.Host.Distribution.Version }
func (d infoDocument) Architecture() string     { return d.source.Host.Arch }
func (d infoDocument) NCPU() int                { return d.source.Host.CPUs }
func (d infoDocument) MemTotal() int64          { return d.source.Host.Memory.Total }
func (d infoDocument) DockerRootDir() string    { return d.source.Store.Root }
func (d infoDocument) Name() string             { return d.source.Host.Hostname }
func (d infoDocument) ServerVersion() string    { return d.source.Version.Version }
func (d infoDocument) DefaultRuntime() string   { return d.Host.OCIRuntime.Name }
func (d infoDocument) LiveRestoreEnabled() bool { return true }
func (d infoDocument) SecurityOptions() []string {
	var options []string
	for _, o := range []struct {
		on   bool
		name string
	}{
		{d.Host.Security.AppArmorEnabled, "name=apparmor"},
		{d.Host.Security.SECCOMPEnabled, "name=seccomp,profile=builtin"},
		{d.Host.Security.SELinuxEnabled, "name=selinux"},
		{d.Host.Security.Rootless, "name=rootless"},
	} {
		if o.on {
			options = append(options, o.name)
		}
	}
	return options
}

func newInfoCmd(a *app) *cobra.Command {
	var format string
	var debug bool
	cmd := &cobra.Command{
		Use:   "info [FLAGS]",
		Short: "Show the machine, the store and the OCI runtime",
		Long: `Show what Berth works with: the machine, the store and what is in it, the OCI runtime that was
chosen, and why another was not.`,
		Example: "berth info --format '{{.Host.OCIRuntime.Path}}'\nberth info --format json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return showInfo(cmd.Context(), a, format)
		},
	}
	cmd.Flags().StringVarP(&format, "format", "f", "", "Print as json, or by a Go `template`")
	cmd.Flags().BoolVarP(&debug, "debug", "D", false, "Accepted for podman's sake; everything is shown anyway")
	cmd.Flags().Lookup("debug").Hidden = true
	return cmd
}

func showInfo(ctx context.Context, a *app, format string) error {
	s, err := a.services(ctx)
	if err != nil {
		return err
	}
	info, err := s.System.Info(ctx)
	if err != nil {
		return err
	}
	doc := newInfoDocument(info)
	return printDocument(a.out, format, doc, func(w io.Writer) error { return printYAML(w, doc) })
}

// newInfoDocument puts the engine's facts into the document's shape.
func newInfoDocument(i *engine.Info) infoDocument {
	d := infoDocument{
		Host:       newInfoHost(i.Host),
		Store:      newInfoStore(i.Store),
		Registries: infoRegistries{Search: i.Registries.Search, Blocked: i.Registries.Blocked},
		Plugins: infoPlugins{
			Log:     []string{"k8s-file", "json-file", "none"},
			Network: []string{"none", "host", "container"},
			Volume:  []string{"local"},
		},
		Version: newVersionPart(i.Version),
		source:  i,
	}
	for _, r := range i.Runtimes {
		row := infoRuntime(r)
		d.Host.OCIRuntimes = append(d.Host.OCIRuntimes, row)
		if r.Chosen {
			d.Host.OCIRuntime = row
		}
	}
	return d
}

func newInfoHost(h engine.HostInfo) infoHost {
	return infoHost{
		Arch: h.Arch, OS: h.OS, Hostname: h.Hostname, Kernel: h.Kernel, CPUs: h.CPUs,
		CgroupControllers: h.CgroupControllers, CgroupManager: h.CgroupManager, CgroupMode: h.CgroupMode,
		CgroupVersion:  fmt.Sprintf("v%d", h.CgroupVersion),
		CPUUtilization: infoCPU{UserPercent: h.CPU.User, SystemPercent: h.CPU.System, IdlePercent: h.CPU.Idle},
		Distribution: infoDistribution{
			Distribution: h.Distribution.ID, Version: h.Distribution.Version, Codename: h.Distribution.Codename,
		},
		EventLogger: h.EventLogger, Linkmode: "static", LogDriver: h.LogDriver,
		MemFree: h.Memory.Free, MemTotal: h.Memory.Total, SwapFree: h.Memory.SwapFree, SwapTotal: h.Memory.SwapTotal,
		Monitor: infoProgram(h.Monitor),
		Security: infoSecurity{
			AppArmorEnabled: h.AppArmor, Capabilities: h.Capabilities, Rootless: h.Rootless,
			SECCOMPEnabled: h.Seccomp, SELinuxEnabled: h.SELinux,
		},
		Uptime: uptime(h.Uptime),
	}
}

func newInfoStore(s engine.StoreInfo) infoStore {
	return infoStore{
		ContainerStore: infoContainers{Number: s.Containers, Running: s.Running, Paused: s.Paused, Stopped: s.Stopped},
		Database:       s.Database, DatabasePath: s.DatabasePath,
		GraphDriverName: s.GraphDriver, GraphRoot: s.GraphRoot,
		GraphRootAllocated: s.Allocated, GraphRootUsed: s.Used,
		GraphStatus: map[string]string{"Backing Filesystem": s.BackingFS},
		ImageStore:  infoCount{s.Images}, Root: s.Root, RunRoot: s.RunRoot, VolumePath: s.VolumePath,
		VolumeStore: infoCount{s.Volumes},
	}
}

// uptime is a duration as podman info shows it: "49h 12m 3.00s (Approximately 2.04 days)".
func uptime(d time.Duration) string {
	h, m, s := int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60
	text := fmt.Sprintf("%dh %dm %d.00s", h, m, s)
	if h >= 24 {
		text += fmt.Sprintf(" (Approximately %.2f days)", d.Hours()/24)
	}
	return text
}
