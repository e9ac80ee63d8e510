package ocispec

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/berth-engine/berth/errdefs"
)

// CompiledSeccompFile is the file of a container's state directory in which crun leaves the program that it has compiled from the
// spec's seccomp filter.
const CompiledSeccompFile = "seccomp.bpf"

// compiledSeccomp is crun's annotation for a program to be used instead of compiling the filter (crun(1)).
const compiledSeccomp = "run.oci.seccomp_bpf_data"

// SeccompKey names the seccomp filter of a spec: equal filters have equal keys. It is empty if there is none. A program that an OCI
// runtime has compiled from a filter serves every container with the same key, on the same kernel with the same runtime.
func SeccompKey(spec *specs.Spec) (string, error) {
	if spec.Linux == nil || spec.Linux.Seccomp == nil {
		return "", nil
	}
	text, err := json.Marshal(spec.Linux.Seccomp)
	if err != nil {
		return "", errdefs.With(errdefs.ErrInternal, err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// UseCompiledSeccomp has crun use the program instead of compiling the spec's filter, which takes it longer than all the rest of a
// start. Other runtimes, which do not know the annotation, compile the filter. A program is an array of struct sock_filter
// (seccomp(2)); a program of any other length is not used.
func UseCompiledSeccomp(spec *specs.Spec, program []byte) {
	const instruction = 8
	if len(program) == 0 || len(program)%instruction != 0 || spec.Linux == nil || spec.Linux.Seccomp == nil {
		return
	}
	if _, given := spec.Annotations[compiledSeccomp]; given {
		return // the user's own
	}
	if spec.Annotations == nil {
		spec.Annotations = map[string]string{}
	}
	spec.Annotations[compiledSeccomp] = base64.StdEncoding.EncodeToString(program)
}
