package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// image is the name of every contestant's image.
const image = "localhost/bench:latest"

// ociRuntimes are those measured with.
var ociRuntimes = []string{"crun", "runc"}

// contestant is one engine with one OCI runtime. All understand the same commands.
type contestant struct {
	name    string // as the column's head
	engine  string // berth, podman or docker
	runtime string // crun or runc
	program string
	global  []string // before the command
	running []string // after run and create
	env     []string
	monitor string // the program that holds one container
	// logDriver is the log format measured.
	logDriver string
	filled    int // how many containers fill has made
}

// command is one command of the engine, with its output thrown away.
func (c *contestant) command(args ...string) *exec.Cmd {
	all := append([]string(nil), c.global...)
	all = append(all, args[0])
	if args[0] == "run" || args[0] == "create" {
		all = append(all, c.running...)
	}
	cmd := exec.Command(c.program, append(all, args[1:]...)...)
	cmd.Env = c.env
	return cmd
}

// do runs a command, which must succeed, and returns how long it took.
func (c *contestant) do(args ...string) (time.Duration, error) {
	cmd := c.command(args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	begin := time.Now()
	err := cmd.Run()
	took := time.Since(begin)
	if err != nil {
		return 0, fmt.Errorf("%s: %s: %w: %s", c.name, strings.Join(args, " "), err, errs.String())
	}
	return took, nil
}

// remove removes containers by force, at once.
func (c *contestant) remove(ids ...string) (time.Duration, error) {
	args := []string{"rm", "-f"}
	if c.engine != "docker" { // which kills at once anyway, and has no such flag
		args = append(args, "-t", "0")
	}
	return c.do(append(args, ids...)...)
}

// output runs a command and returns what it prints.
func (c *contestant) output(args ...string) (string, error) {
	cmd := c.command(args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %s: %w", c.name, strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}

// enter sets up the contestants that are there, each with the image.
func (b *bench) enter(programs string, engines []string) error {
	rootfs, archive, err := b.makeRoot()
	if err != nil {
		return err
	}
	base := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + b.dir, "TMPDIR=" + b.dir}
	found := map[string]string{} // the OCI runtimes
	for _, oci := range ociRuntimes {
		if path, err := exec.LookPath(oci); err == nil {
			found[oci] = path
		}
	}
	for _, oci := range ociRuntimes {
		if found[oci] != "" && slices.Contains(engines, "berth") {
			b.contestants = append(b.contestants, b.berth(programs, oci, base))
			b.floors = append(b.floors, &floor{runtime: found[oci], name: oci, rootfs: rootfs, dir: filepath.Join(b.dir, "floor-"+oci)})
		}
	}
	if path, err := exec.LookPath("podman"); err == nil && slices.Contains(engines, "podman") {
		for _, oci := range ociRuntimes {
			if found[oci] != "" {
				b.contestants = append(b.contestants, b.podman(path, oci, found[oci], base))
			}
		}
	}
	if slices.Contains(engines, "docker") {
		docker, err := b.docker(base)
		if err != nil {
			return err
		}
		if docker != nil {
			b.contestants = append(b.contestants, docker)
		}
	}
	for _, c := range b.contestants {
		if _, err := c.do("import", archive, image); err != nil {
			return err
		}
		c := c
		b.atEnd = append(b.atEnd, func() { b.removeAll(c) })
	}
	return b.prepareFloors()
}

func (b *bench) berth(programs, oci string, env []string) *contestant {
	root, run := filepath.Join(b.dir, "b-"+oci), filepath.Join(b.dir, "br-"+oci)
	return &contestant{
		name: "Berth, " + oci, engine: "berth", runtime: oci, program: filepath.Join(programs, "berth"), monitor: "berth-monitor",
		global: []string{"--root", root, "--runroot", run, "--runtime", oci}, env: env, logDriver: "k8s-file",
	}
}

func (b *bench) podman(path, oci, ociPath string, env []string) *contestant {
	return &contestant{
		name: "podman, " + oci, engine: "podman", runtime: oci, program: path, monitor: "conmon",
		global: []string{
			"--root", filepath.Join(b.dir, "p-"+oci), "--runroot", filepath.Join(b.dir, "pr-"+oci), "--tmpdir", filepath.Join(b.dir, "pt-"+oci),
			"--cgroup-manager", "cgroupfs", "--runtime", ociPath, "--events-backend", "file", "--storage-driver", "overlay",
		},
		// The default limits may be above what a benchmark inside a container is allowed.
		running: []string{"--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096"}, env: env, logDriver: "k8s-file",
	}
}

// docker starts a daemon of the benchmark's own; nil if there is none installed.
func (b *bench) docker(env []string) (*contestant, error) {
	daemon, err := exec.LookPath("dockerd")
	client := "/usr/bin/docker" // Debian's, whatever else is in PATH
	if err != nil {
		return nil, nil
	}
	if _, err := os.Stat(client); err != nil {
		return nil, nil
	}
	socket := "unix://" + filepath.Join(b.dir, "d.sock")
	cmd := exec.Command(daemon, "-H", socket, "--data-root", filepath.Join(b.dir, "d"), "--exec-root", filepath.Join(b.dir, "dx"),
		"--pidfile", filepath.Join(b.dir, "d.pid"), "--iptables=false", "--bridge=none", "--ip-forward=false", "--log-level", "error")
	cmd.Env = env
	// The daemon ends the containerd that it starts; a signal to the benchmark's group must not end either early.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	b.atEnd = append(b.atEnd, func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	c := &contestant{
		name: "Docker, runc", engine: "docker", runtime: "runc", program: client, monitor: "containerd-shim-runc-v2",
		global: []string{"-H", socket}, env: env, logDriver: "json-file",
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if _, err = c.do("version"); err == nil {
			return c, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("dockerd does not answer: %w", err)
		}
	}
}

// removeAll removes a contestant's containers.
func (b *bench) removeAll(c *contestant) {
	ids, err := c.output("ps", "-aq", "--no-trunc")
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return
	}
	for list := strings.Fields(ids); len(list) > 0; {
		n := min(len(list), 200)
		if _, err := c.remove(list[:n]...); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
		list = list[n:]
	}
}

// unmountAll unmounts what engines keep mounted in the benchmark's directory.
func (b *bench) unmountAll() {
	text, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return
	}
	lines := strings.Split(string(text), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if f := strings.Fields(lines[i]); len(f) > 1 && strings.HasPrefix(f[1], b.dir+"/") {
			_ = syscall.Unmount(f[1], syscall.MNT_DETACH)
		}
	}
}

// makeRoot makes the root file system: a static busybox. It returns its directory and a tar archive of it.
func (b *bench) makeRoot() (rootfs, archive string, err error) {
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return "", "", fmt.Errorf("%w: install Debian's package busybox-static", err)
	}
	rootfs, archive = filepath.Join(b.dir, "rootfs"), filepath.Join(b.dir, "rootfs.tar")
	for _, d := range []string{"bin", "dev", "etc", "proc", "sys", "tmp", "root", "data", "run", "var"} {
		if err := os.MkdirAll(filepath.Join(rootfs, d), 0o755); err != nil {
			return "", "", err
		}
	}
	if err := copyFile(busybox, filepath.Join(rootfs, "bin/busybox")); err != nil {
		return "", "", err
	}
	for _, applet := range []string{"sh", "true", "sleep", "cat"} {
		if err := os.Symlink("busybox", filepath.Join(rootfs, "bin", applet)); err != nil {
			return "", "", err
		}
	}
	if err := os.WriteFile(filepath.Join(rootfs, "etc/passwd"), []byte("root:x:0:0:root:/root:/bin/sh\n"), 0o644); err != nil {
		return "", "", err
	}
	out, err := exec.Command("tar", "-C", rootfs, "-cf", archive, ".").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("tar: %w: %s", err, out)
	}
	return rootfs, archive, err
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

// monitors returns the PIDs of the contestant's monitors, those that have the benchmark's directory in their command line,
// environment or working directory.
func (b *bench) monitors(c *contestant) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		dir := filepath.Join("/proc", e.Name())
		exe, _ := os.Readlink(dir + "/exe")
		if filepath.Base(exe) != c.monitor {
			continue
		}
		cmdline, _ := os.ReadFile(dir + "/cmdline")
		environ, _ := os.ReadFile(dir + "/environ")
		cwd, _ := os.Readlink(dir + "/cwd")
		if strings.Contains(string(cmdline)+string(environ)+cwd, b.dir+"/") {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}
