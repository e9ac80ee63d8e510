package ocispec

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEqualFiltersHaveEqualKeys(t *testing.T) {
	key := func(set func(*Input)) string {
		in := plainInput(unified())
		in.DefaultSeccomp = true
		set(&in)
		spec, err := Build(in)
		if err != nil {
			t.Fatal(err)
		}
		k, err := SeccompKey(spec)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	plain := key(func(*Input) {})
	if plain == "" || plain != key(func(in *Input) { in.Hostname = "another"; in.Config.Process.Env = []string{"A=1"} }) {
		t.Error("two containers with the same filter have different keys")
	}
	if plain == key(func(in *Input) { in.Config.Security.CapAdd = []string{"CAP_SYS_ADMIN"} }) {
		t.Error("containers with different filters have the same key")
	}
	if k := key(func(in *Input) { in.Config.Security.Seccomp = "unconfined" }); k != "" {
		t.Errorf("without a filter the key is %q, want none", k)
	}
}

func TestOnlyWholeProgramsAreUsed(t *testing.T) {
	in := plainInput(unified())
	in.DefaultSeccomp = true
	for length, want := range map[int]bool{0: false, 7: false, 8: true, 9: false} {
		spec, err := Build(in)
		if err != nil {
			t.Fatal(err)
		}
		UseCompiledSeccomp(spec, make([]byte, length))
		if _, used := spec.Annotations[compiledSeccomp]; used != want {
			t.Errorf("a program of %d bytes: used %v, want %v", length, used, want)
		}
	}
	in.Config.Annotations = map[string]string{compiledSeccomp: "mine"}
	spec, err := Build(in)
	if err != nil {
		t.Fatal(err)
	}
	UseCompiledSeccomp(spec, make([]byte, 8))
	if got := spec.Annotations[compiledSeccomp]; got != "mine" {
		t.Errorf("the user's own program was replaced by %q", got)
	}
}

// TestACompiledFilterAnswersAsTheFilterDoes takes what crun has compiled for one container and gives it to the next.
func TestACompiledFilterAnswersAsTheFilterDoes(t *testing.T) {
	program := probe(t)
	onEach(t, []string{"/bin/sleep", "60"}, func(t *testing.T, b *bundle) {
		if b.runtime != "crun" {
			t.Skip("runc knows no compiled filters")
		}
		copyFile(t, program, filepath.Join(b.in.Rootfs, "bin/probe"))
		b.start(t)
		compiled, err := os.ReadFile(filepath.Join(b.state(), b.id, CompiledSeccompFile))
		if err != nil {
			t.Fatal(err)
		}
		b.id += "-second"
		b.in.Config.Process.Command = []string{"/bin/probe"}
		b.compiled = compiled
		expect(t, b.run(t), profileAnswers...)

		// That it is this program and not the filter which answers, one that allows everything shows.
		const ret, allow = 0x06, 0x7fff0000 // BPF_RET|BPF_K, SECCOMP_RET_ALLOW
		b.compiled = binary.NativeEndian.AppendUint16(nil, ret)
		b.compiled = binary.NativeEndian.AppendUint16(b.compiled, 0)
		b.compiled = binary.NativeEndian.AppendUint32(b.compiled, allow)
		if out := b.run(t); strings.Contains(out, "call keyctl 1\n") {
			t.Errorf("with a program that allows everything, keyctl is refused:\n%s", out)
		}
	})
}
