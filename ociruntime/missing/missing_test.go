package missing_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/ociruntime"
	"github.com/berth-engine/berth/ociruntime/missing"
)

func TestEveryOperationSaysThatTheRuntimeIsMissing(t *testing.T) {
	ctx := t.Context()
	for name, cause := range map[string]error{"crun": nil, "kata": errdefs.Unavailable("kata is not installed; install kata-runtime")} {
		var r ociruntime.Runtime = missing.New(name, cause)
		_, create := r.Create(ctx, ociruntime.CreateRequest{})
		_, exec := r.Exec(ctx, ociruntime.ExecRequest{})
		_, attach := r.Attach(ctx, "", ociruntime.AttachOptions{})
		_, processes := r.Processes(ctx, "")
		info, infoErr := r.Info(ctx)
		for op, err := range map[string]error{
			"create": create, "start": r.Start(ctx, ""), "exec": exec, "attach": attach,
			"kill": r.Kill(ctx, "", ociruntime.PID{}, 9, false), "pause": r.Pause(ctx, ""), "resume": r.Resume(ctx, ""),
			"delete": r.Delete(ctx, "", true), "schedule": r.Schedule(ctx, "", 1), "processes": processes, "info": infoErr,
		} {
			if !errors.Is(err, ociruntime.ErrMissing) || errdefs.Class(err) != errdefs.ErrUnavailable ||
				!strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "install") {
				t.Errorf("%s: error %v; expected ErrMissing that names %s and the remedy", op, err, name)
			}
		}
		if info.Name != name || info.Version != "missing" || r.Name() != name || r.Path() != "" {
			t.Errorf("info %+v, name %q, path %q", info, r.Name(), r.Path())
		}
	}
}
