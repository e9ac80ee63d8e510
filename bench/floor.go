package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// floor is an OCI runtime alone, driven as a monitor drives it, with the spec that Berth makes: what no engine over it can
// go below.
type floor struct {
	name     string
	runtime  string // its path
	rootfs   string
	dir      string
	readOnly bool // runtime lies on a read-only mount
	n        int
}

// prepareFloors takes the spec of one of Berth's own containers, and adds crun on a read-only mount, where it need not guard
// itself by copying.
func (b *bench) prepareFloors() error {
	for _, f := range b.floors {
		if f.name == "crun" {
			at := filepath.Join(b.dir, "crun-readonly")
			if err := os.WriteFile(at, nil, 0o755); err != nil {
				return err
			}
			if err := unix.Mount(f.runtime, at, "", unix.MS_BIND, ""); err != nil {
				return err
			}
			if err := unix.Mount("", at, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
				return err
			}
			b.floors = append(b.floors, &floor{name: f.name, runtime: at, rootfs: f.rootfs, dir: f.dir + "-readonly", readOnly: true})
		}
	}
	for _, f := range b.floors {
		for _, c := range b.contestants {
			if c.engine == "berth" && c.runtime == f.name {
				if err := f.takeSpec(c); err != nil {
					return fmt.Errorf("the bare %s: %w", f.name, err)
				}
			}
		}
	}
	return nil
}

// takeSpec writes the bundle: Berth's spec of a container that does nothing, with copies of the files that it mounts.
func (f *floor) takeSpec(c *contestant) error {
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return err
	}
	id, err := c.output("run", "-d", "--network", "none", image, "sleep", "1000")
	if err != nil {
		return err
	}
	defer c.remove(id)
	bundle, err := c.output("inspect", "--format", "{{.OCIConfigPath}}", id)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(bundle)
	if err != nil {
		return err
	}
	var spec map[string]any
	if err := json.Unmarshal(text, &spec); err != nil {
		return err
	}
	spec["root"] = map[string]any{"path": f.rootfs}
	spec["process"].(map[string]any)["args"] = []string{"true"}
	mounts, _ := spec["mounts"].([]any)
	for i, m := range mounts {
		m := m.(map[string]any)
		source, _ := m["source"].(string)
		if !strings.HasPrefix(source, filepath.Dir(f.dir)+"/") {
			continue
		}
		own, err := f.ownSource(source, i)
		if err != nil {
			return err
		}
		m["source"] = own
	}
	for _, args := range []string{"true", "sleep"} {
		if args == "sleep" {
			spec["process"].(map[string]any)["args"] = []string{"sleep", "1000"}
		}
		spec["linux"].(map[string]any)["cgroupsPath"] = "/bench-" + filepath.Base(f.dir) + "-" + args
		text, err := json.Marshal(spec)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Join(f.dir, args), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(f.dir, args, "config.json"), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// ownSource copies a file that the engine made for its container, or makes a directory in place of the engine's.
func (f *floor) ownSource(source string, n int) (string, error) {
	own := filepath.Join(f.dir, "source"+strconv.Itoa(n))
	info, err := os.Stat(source)
	if err != nil {
		return "", err
	}
	if info.IsDir() {
		return own, os.Mkdir(own, 0o755)
	}
	return own, copyFile(source, own)
}

func (f *floor) call(args ...string) error {
	cmd := exec.Command(f.runtime, append([]string{"--root", filepath.Join(f.dir, "state")}, args...)...)
	out, err := os.CreateTemp(f.dir, "out")
	if err != nil {
		return err
	}
	defer os.Remove(out.Name())
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out // a file: a pipe would be kept open by the container
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(out.Name())
		return fmt.Errorf("%s %s: %w: %s", f.name, strings.Join(args, " "), err, text)
	}
	return nil
}

// create makes a container of one of the two bundles and returns its ID and first process.
func (f *floor) create(bundle string) (id string, pidfd int, err error) {
	f.n++
	id = fmt.Sprintf("floor%d", f.n)
	pidFile := filepath.Join(f.dir, "pid")
	if err := f.call("create", "--bundle", filepath.Join(f.dir, bundle), "--pid-file", pidFile, id); err != nil {
		return "", -1, err
	}
	text, err := os.ReadFile(pidFile)
	if err != nil {
		return "", -1, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return "", -1, err
	}
	pidfd, err = unix.PidfdOpen(pid, 0)
	return id, pidfd, err
}

// run is create, start, the end of the process, delete.
func (f *floor) run() (time.Duration, error) {
	begin := time.Now()
	id, pidfd, err := f.create("true")
	if err != nil {
		return 0, err
	}
	defer unix.Close(pidfd)
	if err := f.call("start", id); err != nil {
		return 0, err
	}
	if err := ended(pidfd); err != nil {
		return 0, err
	}
	if err := f.call("delete", id); err != nil {
		return 0, err
	}
	return time.Since(begin), nil
}

// exec is one process run in a container that goes on.
func (f *floor) exec(id string) (time.Duration, error) {
	begin := time.Now()
	err := f.call("exec", id, "true")
	return time.Since(begin), err
}

// running starts a container and returns its ID and how to end it.
func (f *floor) running() (id string, stop func(), err error) {
	id, pidfd, err := f.create("sleep")
	if err != nil {
		return "", nil, err
	}
	if err := f.call("start", id); err != nil {
		return "", nil, err
	}
	return id, func() {
		_ = unix.PidfdSendSignal(pidfd, syscall.SIGKILL, nil, 0)
		_ = ended(pidfd)
		unix.Close(pidfd)
		_ = f.call("delete", "--force", id)
	}, nil
}

// ended waits until the process has ended.
func ended(pidfd int) error {
	for {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, -1)
		if err != unix.EINTR {
			return err
		}
	}
}
