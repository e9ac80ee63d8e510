package monitored

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/internal/monitor/wire"
	"github.com/berth-engine/berth/ociruntime"
)

// Create starts a monitor, which has the runtime create the container.
func (r *Runtime) Create(ctx context.Context, q ociruntime.CreateRequest) (*ociruntime.Process, error) {
	if q.NoCgroup {
		if err := LeavesCgroup(r.o.RuntimePath); err != nil {
			return nil, err
		}
	}
	if err := r.remember(q.ID, q.Bundle); err != nil {
		return nil, err
	}
	p, err := r.launch(ctx, &launch{
		id: q.ID, run: q.Run, stdio: q.Stdio, hold: q.Hold, extra: q.ExtraFiles, cleanup: q.Cleanup, periodic: q.Periodic,
		attached: q.Attached, systemd: q.SystemdCgroup || r.o.SystemdCgroup, noCgroup: q.NoCgroup, env: q.Env, log: q.Log,
		args: []string{"--bundle", q.Bundle},
	})
	if err != nil {
		// What a runtime that failed, or was killed, has left behind is removed even when the caller has given up.
		if undo := r.Delete(context.WithoutCancel(ctx), q.ID, true); undo != nil {
			err = fmt.Errorf("%w; and what is left of it cannot be removed: %v", err, undo)
		}
		return nil, err
	}
	return p, nil
}

// Exec runs one more process in a container, under a monitor of its own.
func (r *Runtime) Exec(ctx context.Context, q ociruntime.ExecRequest) (*ociruntime.Process, error) {
	document := filepath.Join(q.Run, "process.json")
	if err := os.WriteFile(document, withConsoleSize(q.Process, q.Stdio), 0o600); err != nil {
		return nil, errdefs.Internal("exec session %s: %w", q.ID, err)
	}
	defer os.Remove(document)
	p, err := r.launch(ctx, &launch{
		id: q.ID, run: q.Run, stdio: q.Stdio, hold: q.Hold, extra: q.ExtraFiles, cleanup: q.Cleanup, attached: q.Attached,
		systemd: q.SystemdCgroup || r.o.SystemdCgroup,
		args:    []string{"--container", q.Container, "--process", document},
	})
	if err != nil {
		killStray(filepath.Join(q.Run, wire.PIDFile), q.ContainerPID)
	}
	return p, err
}

// LeavesCgroup is ErrNotImplemented for a runtime that cannot leave a container in its caller's control group. crun, and what is
// built from it, can.
func LeavesCgroup(path string) error {
	name := filepath.Base(path)
	if strings.HasPrefix(name, "crun") || strings.HasPrefix(name, "krun") {
		return nil
	}
	return errdefs.NotImplemented("%s always makes a control group: a container without one of its own needs crun", name)
}

// withConsoleSize writes a terminal's first size into a process document. The process of an exec session runs at once, and could
// look at its terminal before the monitor has it.
func withConsoleSize(document []byte, stdio ociruntime.Stdio) []byte {
	var fields map[string]json.RawMessage
	if !stdio.Terminal || stdio.Width == 0 || stdio.Height == 0 || json.Unmarshal(document, &fields) != nil {
		return document
	}
	fields["consoleSize"] = fmt.Appendf(nil, `{"height":%d,"width":%d}`, stdio.Height, stdio.Width)
	sized, err := json.Marshal(fields)
	if err != nil {
		return document
	}
	return sized
}

// killStray kills the process that a failed exec has left in a container, as when the monitor was killed: the runtime has
// written down its number, and it shares the PID namespace of the container's first process.
func killStray(file string, container ociruntime.PID) {
	text, err := os.ReadFile(file)
	if err != nil {
		return
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid == container.Pid {
		return
	}
	stray := ociruntime.PID{Pid: pid}
	if stray.Start, err = startTime(pid); err != nil || !sameNamespace(pid, container.Pid) {
		return
	}
	_ = signalProcess(stray, syscall.SIGKILL)
}

func sameNamespace(a, b int) bool {
	one, errOne := os.Readlink("/proc/" + strconv.Itoa(a) + "/ns/pid")
	two, errTwo := os.Readlink("/proc/" + strconv.Itoa(b) + "/ns/pid")
	return errOne == nil && errTwo == nil && one == two
}

// launch is one start of a monitor.
type launch struct {
	id, run  string
	stdio    ociruntime.Stdio
	hold     []*os.File
	extra    []*os.File
	cleanup  []string
	periodic []string
	attached *ociruntime.AttachOptions
	systemd  bool
	noCgroup bool
	env      []string
	log      ociruntime.LogConfig
	args     []string

	files []uintptr // of the monitor, by number
}

// pass gives the monitor more descriptors and returns the number of the first.
func (l *launch) pass(files ...*os.File) int {
	first := len(l.files)
	for _, f := range files {
		l.files = append(l.files, f.Fd())
	}
	return first
}

// passSet passes files as an option FIRST+COUNT.
func (l *launch) passSet(option string, files []*os.File) {
	if len(files) > 0 {
		l.args = append(l.args, option, strconv.Itoa(l.pass(files...))+"+"+strconv.Itoa(len(files)))
	}
}

// launch starts a monitor and waits until the process is there.
func (r *Runtime) launch(ctx context.Context, l *launch) (*ociruntime.Process, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := r.stateMade(); err != nil {
		return nil, errdefs.Internal("state directory of %s: %w", r.o.Name, err)
	}
	null, err := devNull()
	if err != nil {
		return nil, errdefs.Internal("%w", err)
	}
	// What the monitor, or the clean-up command that it becomes, has to say in despair goes to the runtime's log.
	log, err := os.OpenFile(filepath.Join(l.run, wire.RuntimeLog), os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return nil, errdefs.Internal("run directory of %s: %w", l.id, err)
	}
	defer log.Close()
	if err := beginCreation(ctx, log); err != nil {
		return nil, err
	}
	l.pass(null, null, log)
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer ours.Close()
	defer theirs.Close()
	l.args = append(l.args, "--sync-fd", strconv.Itoa(l.pass(theirs)))

	var conn *connection
	if l.attached != nil {
		near, far, err := socketPair()
		if err != nil {
			return nil, err
		}
		defer far.Close()
		l.args = append(l.args, "--attach-fd", strconv.Itoa(l.pass(far)))
		if conn, err = greet(near, *l.attached); err != nil {
			return nil, err
		}
	}
	p, err := r.start(ctx, l, ours, theirs)
	if err != nil {
		if conn != nil {
			conn.Close()
		}
		return nil, err
	}
	if conn != nil {
		if err := conn.welcome(); err != nil {
			conn.Close()
			return nil, err
		}
		p.Conn = conn
	}
	return p, nil
}

// start runs the monitor's program and hears its answer.
func (r *Runtime) start(ctx context.Context, l *launch, ours, theirs *os.File) (*ociruntime.Process, error) {
	l.passSet("--stdio-fds", l.stdio.Passthrough)
	l.passSet("--hold-fds", l.hold)
	l.passSet("--extra-fds", l.extra)
	monitor, err := spawn(r.o.MonitorPath, r.arguments(l), monitorEnviron(), l.files, true)
	if err != nil {
		return nil, err
	}
	theirs.Close()
	start, err := startTime(monitor.pid)
	if err != nil {
		start = 0 // it has died already, which the answer shows
	}
	stop := context.AfterFunc(ctx, func() { ours.Write([]byte{wire.Quit}) })
	answer := make([]byte, 8<<10)
	n, err := ours.Read(answer)
	if !stop() && ctx.Err() != nil {
		monitor.wait()
		return nil, ctx.Err()
	}
	p, err := r.heard(l, answer[:max(n, 0)], err)
	if err != nil {
		monitor.wait()
		return nil, err
	}
	if _, err := ours.Write([]byte{wire.Seen}); err != nil {
		monitor.wait()
		return nil, errdefs.With(errdefs.ErrInternal, ociruntime.ErrMonitorLost)
	}
	go monitor.wait()
	p.Monitor = ociruntime.PID{Pid: monitor.pid, Start: start}
	return p, nil
}

// heard understands the monitor's answer.
func (r *Runtime) heard(l *launch, answer []byte, err error) (*ociruntime.Process, error) {
	if errors.Is(err, io.EOF) || len(answer) == 0 {
		return nil, errdefs.With(errdefs.ErrInternal, ociruntime.ErrMonitorLost)
	}
	if err != nil {
		return nil, errdefs.Internal("monitor of %s: %w", l.id, err)
	}
	text := string(answer[1:])
	switch answer[0] {
	case wire.Process:
		pid, start, _ := strings.Cut(text, " ")
		p := &ociruntime.Process{}
		var errPID, errStart error
		p.PID.Pid, errPID = strconv.Atoi(pid)
		p.PID.Start, errStart = strconv.ParseUint(start, 10, 64)
		if errPID == nil && errStart == nil {
			return p, nil
		}
	case wire.Failed:
		_, stderr, _ := strings.Cut(text, "\n")
		return nil, r.createFailed(l.run, []byte(stderr))
	case wire.MonitorIs:
		return nil, errdefs.Internal("monitor of %s: %s", l.id, text)
	}
	return nil, errdefs.Internal("monitor of %s: cannot understand %q", l.id, answer)
}

// arguments is the monitor's command line.
func (r *Runtime) arguments(l *launch) []string {
	args := []string{"--id", l.id, "--runtime", r.program(), "--state-root", r.o.StateRoot, "--run", l.run}
	switch {
	case l.noCgroup:
		args = append(args, "--no-cgroup")
	case l.systemd:
		args = append(args, "--systemd-cgroup")
	}
	if l.stdio.Terminal {
		args = append(args, "--terminal")
		if l.stdio.Width != 0 && l.stdio.Height != 0 {
			args = append(args, "--size", strconv.Itoa(int(l.stdio.Width))+"x"+strconv.Itoa(int(l.stdio.Height)))
		}
	}
	if l.stdio.Stdin {
		args = append(args, "--stdin")
	}
	if l.stdio.StdinOnce {
		args = append(args, "--stdin-once")
	}
	if l.log.Driver != "" && l.log.Driver != "none" {
		args = append(args, "--log-driver", l.log.Driver, "--log-path", l.log.Path, "--zone", zone())
		if l.log.MaxSize > 0 {
			args = append(args, "--log-max-size", strconv.FormatInt(l.log.MaxSize, 10), "--log-max-files", strconv.Itoa(l.log.MaxFiles))
		}
		if l.log.Tag != "" {
			args = append(args, "--log-tag", l.log.Tag)
		}
	}
	args = append(args, l.args...)
	for _, e := range append(r.o.Env[:len(r.o.Env):len(r.o.Env)], l.env...) {
		args = append(args, "--runtime-env", e)
	}
	for _, word := range l.periodic {
		args = append(args, "--periodic", word)
	}
	if len(l.cleanup) > 0 {
		args = append(append(args, "--"), l.cleanup...)
	}
	return args
}

// monitorEnviron keeps the Go runtime of a monitor small: one processor, no garbage collection but as a backstop. The monitor
// keeps these from whatever it starts.
func monitorEnviron() []string {
	return append([]string{"GOMAXPROCS=1", "GOGC=off", "GOMEMLIMIT=8MiB"}, environ(nil)...)
}

// socketPair makes two connected sockets that keep messages apart. Ours waits in the poller.
func socketPair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, errdefs.Internal("cannot make a pair of sockets: %w", err)
	}
	_ = unix.SetNonblock(fds[0], true)
	return os.NewFile(uintptr(fds[0]), "monitor"), os.NewFile(uintptr(fds[1]), "monitor"), nil
}
