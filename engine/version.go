package engine

import (
	"runtime"
	"runtime/debug"
	"time"
)

// Set at link time (see the Makefile): -X github.com/berth-engine/berth/engine.version=…
var (
	version string
	commit  string
	built   string // RFC 3339
)

// VersionInfo says what was built, from what and how.
type VersionInfo struct {
	// Version is the release, without a leading v; never empty.
	Version   string
	GitCommit string // empty when built outside a repository
	// Built is the time of the commit that was built, the zero time when unknown.
	Built     time.Time
	GoVersion string
	OS        string
	Arch      string
}

// Build returns what this program was built from. It reads nothing but the program itself.
func Build() VersionInfo {
	v := VersionInfo{
		Version: version, GitCommit: commit,
		GoVersion: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH,
	}
	v.Built, _ = time.Parse(time.RFC3339, built)
	if v.Version != "" {
		return v
	}
	// Built by go build or go install, or part of a program that embeds the engine.
	v.Version = "0.1.0-dev"
	if info, ok := debug.ReadBuildInfo(); ok {
		v.fromModule(info)
	}
	return v
}

// modulePath is this module's, as an embedding program's build information lists it.
const modulePath = "github.com/berth-engine/berth"

func (v *VersionInfo) fromModule(info *debug.BuildInfo) {
	mods := append([]*debug.Module{&info.Main}, info.Deps...)
	for _, m := range mods {
		if m.Path == modulePath && m.Version != "" && m.Version != "(devel)" {
			v.Version = m.Version[1:]
		}
	}
	if info.Main.Path != modulePath {
		return
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.GitCommit = s.Value
		case "vcs.time":
			v.Built, _ = time.Parse(time.RFC3339, s.Value)
		}
	}
}
