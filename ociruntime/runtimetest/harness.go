package runtimetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/ociruntime"
)

// harness is one test's engine: it makes bundles and run directories, and knows what must be gone at the end.
type harness struct {
	testing.TB
	ctx     context.Context
	runtime ociruntime.Runtime
	root    string
	rootfs  string
}

var containers atomic.Int64

func newHarness(t testing.TB, factory Factory) *harness {
	t.Helper()
	h := &harness{TB: t, ctx: background(t), root: t.TempDir()}
	h.runtime = factory(t, filepath.Join(h.root, "run"))
	h.rootfs = filepath.Join(h.root, "rootfs")
	makeRootfs(t, h.rootfs)
	return h
}

// makeRootfs makes a root file system of busybox and a few files that cannot be run.
func makeRootfs(t testing.TB, dir string) {
	t.Helper()
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal("busybox is needed to run containers: install busybox-static")
	}
	for _, d := range []string{"bin", "proc", "dev", "sys", "tmp", "run", "bin/directory"} {
		must(t, os.MkdirAll(filepath.Join(dir, d), 0o755))
	}
	program, err := os.ReadFile(busybox)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "bin/busybox"), program, 0o755))
	for _, applet := range []string{"sh", "cat", "true", "sleep", "dd", "ls", "stty", "echo", "yes", "head", "kill", "tail", "tr", "sed", "seq", "ps", "od", "hostname"} {
		must(t, os.Symlink("busybox", filepath.Join(dir, "bin", applet)))
	}
	must(t, os.WriteFile(filepath.Join(dir, "bin/not-executable"), []byte("#!/bin/sh\n"), 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "bin/bad-format"), []byte("garbage"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "bin/bad-interpreter"), []byte("#!/bin/nowhere\n"), 0o755))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// box is one container of a test.
type box struct {
	*harness
	id, bundle, run string
	request         ociruntime.CreateRequest
	spec            *specs.Spec
	process         *ociruntime.Process
}

// sh is a container that runs a shell script.
func (h *harness) sh(script string) *box { return h.box("/bin/sh", "-c", script) }

// box is a container yet to be created; its request and spec may be changed.
func (h *harness) box(args ...string) *box {
	h.Helper()
	id := fmt.Sprintf("rt%d-%d", os.Getpid(), containers.Add(1))
	b := &box{harness: h, id: id, bundle: filepath.Join(h.root, "bundle", id), run: filepath.Join(h.root, "run", id)}
	must(h, os.MkdirAll(b.bundle, 0o700))
	must(h, os.MkdirAll(b.run, 0o700))
	b.spec = newSpec(h.rootfs, id, args)
	b.request = ociruntime.CreateRequest{ID: id, Bundle: b.bundle, Run: b.run}
	h.Cleanup(func() { b.mustBeGone() })
	return b
}

func newSpec(rootfs, id string, args []string) *specs.Spec {
	return &specs.Spec{
		Version: "1.0.2",
		Root:    &specs.Root{Path: rootfs},
		Process: &specs.Process{
			Args: args, Cwd: "/", Env: []string{"PATH=/bin", "TERM=xterm"},
			Capabilities: &specs.LinuxCapabilities{Bounding: []string{"CAP_KILL"}, Effective: []string{"CAP_KILL"}, Permitted: []string{"CAP_KILL"}},
		},
		Hostname: "box",
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc"},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "mode=755", "size=65536k"}},
			{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}},
			{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs"},
		},
		Linux: &specs.Linux{
			CgroupsPath: "/berth-test-" + id,
			Namespaces: []specs.LinuxNamespace{
				{Type: specs.PIDNamespace}, {Type: specs.IPCNamespace}, {Type: specs.UTSNamespace}, {Type: specs.MountNamespace}, {Type: specs.NetworkNamespace},
			},
		},
	}
}

// create creates the container.
func (b *box) create() *box {
	b.Helper()
	p, err := b.tryCreate(b.ctx)
	if err != nil {
		b.Fatalf("create: %v", err)
	}
	b.process = p
	return b
}

func (b *box) tryCreate(ctx context.Context) (*ociruntime.Process, error) {
	b.Helper()
	b.spec.Process.Terminal = b.request.Stdio.Terminal
	config, err := json.Marshal(b.spec)
	must(b, err)
	must(b, os.WriteFile(filepath.Join(b.bundle, "config.json"), config, 0o600))
	return b.runtime.Create(ctx, b.request)
}

// start creates and starts the container.
func (b *box) start() *box {
	b.Helper()
	if b.process == nil {
		b.create()
	}
	if err := b.runtime.Start(b.ctx, b.id); err != nil {
		b.Fatalf("start: %v", err)
	}
	return b
}

// attach connects to the container.
func (b *box) attach(o ociruntime.AttachOptions) ociruntime.Conn {
	b.Helper()
	return attach(b.harness, b.run, o)
}

func attach(h *harness, run string, o ociruntime.AttachOptions) ociruntime.Conn {
	h.Helper()
	c, err := h.runtime.Attach(h.ctx, run, o)
	if err != nil {
		h.Fatalf("attach: %v", err)
	}
	h.Cleanup(func() { c.Close() })
	return c
}

// delete removes the container and expects that to work.
func (b *box) delete() {
	b.Helper()
	if err := b.runtime.Delete(b.ctx, b.id, false); err != nil {
		b.Fatalf("delete: %v", err)
	}
}

// mustBeGone removes what a test has left running and then checks that nothing is left: process, control group, runtime state.
func (b *box) mustBeGone() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := b.runtime.Delete(ctx, b.id, true); err != nil {
		b.Errorf("delete --force: %v", err)
	}
	if b.process != nil {
		if b.process.Conn != nil {
			b.process.Conn.Close()
		}
		b.eventually("the monitor ends", func() bool { return !running(b.process.Monitor) })
		if running(b.process.PID) {
			b.Errorf("process %d outlives its container", b.process.PID.Pid)
		}
	}
	if b.Failed() {
		text, _ := os.ReadFile(filepath.Join(b.run, "runtime.log"))
		b.Logf("log of the runtime and the monitor:\n%s", text)
	}
	for _, pattern := range []string{"/sys/fs/cgroup/*/berth-test-", "/sys/fs/cgroup/berth-test-"} {
		left, _ := filepath.Glob(pattern + b.id)
		for _, dir := range left {
			if isCgroup(dir) {
				b.Errorf("control group %s is left", dir)
			}
		}
	}
}

func isCgroup(dir string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(dir, &fs) == nil && (fs.Type == unix.CGROUP_SUPER_MAGIC || fs.Type == unix.CGROUP2_SUPER_MAGIC)
}

// running reports whether a process is there and is no zombie.
func running(p ociruntime.PID) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(p.Pid) + "/stat")
	if err != nil {
		return false
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	return string(fields[0]) != "Z" && string(fields[19]) == strconv.FormatUint(p.Start, 10)
}

// eventually waits for something that no descriptor tells of.
func (h *harness) eventually(what string, is func() bool) {
	h.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			h.Errorf("in vain waited until %s", what)
			return
		}
	}
}

// said is what a connection has told up to its end.
type said struct {
	stdout, stderr bytes.Buffer
	exit           *ociruntime.ExitRecord
	err            error // nil after the exit has been told
}

// listen reads a connection to its end.
func listen(c ociruntime.Conn) *said {
	s := &said{}
	for {
		m, err := c.Next()
		if err != nil {
			if !errors.Is(err, io.EOF) || s.exit == nil {
				s.err = err
			}
			return s
		}
		switch m.Stream {
		case ociruntime.Stdout:
			s.stdout.Write(m.Data)
		case ociruntime.Stderr:
			s.stderr.Write(m.Data)
		case ociruntime.Exited:
			s.exit = m.Exit
		}
	}
}

// hear listens, and expects an exit.
func (h *harness) hear(c ociruntime.Conn) *said {
	h.Helper()
	s := listen(c)
	if s.err != nil {
		h.Fatalf("connection ended by %v after %q and %q; expected the exit", s.err, clip(s.stdout.String()), clip(s.stderr.String()))
	}
	return s
}

func clip(s string) string {
	if len(s) > 500 {
		return s[:500] + "…"
	}
	return s
}

// all asks for both output streams, everything for input as well.
var (
	all        = ociruntime.AttachOptions{Stdout: true, Stderr: true}
	everything = ociruntime.AttachOptions{Stdin: true, Stdout: true, Stderr: true}
	waitOnly   = ociruntime.AttachOptions{WaitOnly: true}
)

// finish runs a container to its end with a client that was there from the start.
func (b *box) finish() *said {
	b.Helper()
	if b.request.Attached == nil {
		b.request.Attached = &all
	}
	b.create()
	b.start()
	s := b.hear(b.process.Conn)
	must(b, b.process.Conn.CleanedUp())
	b.process.Conn.Close()
	return s
}

// expectExit compares an exit record.
func (h *harness) expectExit(e *ociruntime.ExitRecord, code, signal int, oom bool) {
	h.Helper()
	if e == nil {
		h.Error("no exit has been told")
		return
	}
	if e.Code != code || e.Signal != signal || e.OOM != oom {
		h.Errorf("exit code %d, signal %d, OOM %v; expected %d, %d, %v", e.Code, e.Signal, e.OOM, code, signal, oom)
	}
	if age := time.Since(e.Time); age < 0 || age > patience {
		h.Errorf("exit time %v is not the present", e.Time)
	}
}

func memoryLimit(bytes int64) *specs.LinuxResources {
	return &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &bytes, Swap: &bytes}}
}

// inheritable makes a descriptor one that every program started gets, as a shell's redirection does.
func inheritable(f *os.File) error {
	_, err := unix.FcntlInt(f.Fd(), unix.F_SETFD, 0)
	return err
}

// smallDisk is a file system that is soon full.
func (h *harness) smallDisk(size int) string {
	h.Helper()
	dir := filepath.Join(h.root, "disk")
	must(h, os.Mkdir(dir, 0o700))
	must(h, unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+strconv.Itoa(size)))
	h.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}
