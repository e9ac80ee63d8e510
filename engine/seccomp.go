package engine

import (
	"fmt"
	"os"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/berth-engine/berth/ociruntime"
	"github.com/berth-engine/berth/ocispec"
)

// crun takes half of its time to compile a seccomp filter, and can be given the program that it compiled before. The programs of a
// boot are kept in the run directory, by filter and by crun, and cost one small file to read.

// useCompiledSeccomp puts the program for the spec's filter into the spec if there is one, and returns where it is, or would be, kept;
// empty if the OCI runtime takes none.
func (e *Engine) useCompiledSeccomp(rt ociruntime.Runtime, spec *specs.Spec) (path string, err error) {
	if rt.Name() != "crun" {
		return "", nil
	}
	key, err := ocispec.SeccompKey(spec)
	if err != nil || key == "" {
		return "", err
	}
	fi, err := os.Stat(rt.Path())
	if err != nil {
		return "", nil // the runtime says so itself
	}
	path = filepath.Join(e.paths.run, "seccomp", fmt.Sprintf("%s-%d-%d", key, fi.Size(), fi.ModTime().UnixNano()))
	program, err := os.ReadFile(path)
	if err == nil {
		ocispec.UseCompiledSeccomp(spec, program)
		return "", nil
	}
	return path, nil
}

// keepCompiledSeccomp keeps the program that crun has compiled for a container. Where that fails, the next start compiles again.
func (e *Engine) keepCompiledSeccomp(rt ociruntime.Runtime, id, path string) {
	st, ok := rt.(interface{ StateDir(id string) string })
	if path == "" || !ok {
		return
	}
	program, err := os.ReadFile(filepath.Join(st.StateDir(id), ocispec.CompiledSeccompFile))
	if err != nil || len(program) == 0 {
		return
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(path), "new")
	if err != nil {
		return
	}
	_, err = f.Write(program)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		e.log.Debug("keeping a compiled seccomp filter", "error", err)
	}
}
