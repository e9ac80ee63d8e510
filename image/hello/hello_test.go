package hello

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/berth-engine/berth/errdefs"
)

func TestProgramRuns(t *testing.T) {
	program := Program(runtime.GOARCH)
	if program == nil {
		t.Fatalf("expected a program for %s", runtime.GOARCH)
	}
	path := filepath.Join(t.TempDir(), "hello")
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd := exec.Command(path)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || string(out) != Message || stderr.Len() > 0 {
		t.Errorf("expected the message and exit code 0, got %q, %q, %v", out, stderr.String(), err)
	}
}

func TestProgramsAreExecutables(t *testing.T) {
	for arch, machine := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		f, err := elf.NewFile(bytes.NewReader(Program(arch)))
		if err != nil {
			t.Fatalf("%s: %v", arch, err)
		}
		p := f.Progs[0]
		if f.Machine != machine || f.Type != elf.ET_EXEC || len(f.Progs) != 1 || p.Filesz != uint64(len(Program(arch))) ||
			f.Entry != p.Vaddr+headerSize || p.Flags != elf.PF_R|elf.PF_X {
			t.Errorf("%s: expected one segment, readable and executable, of the whole file, got %+v, %+v", arch, f.FileHeader, p.ProgHeader)
		}
	}
}

// The instructions as an assembler makes them of the comments in program.go.
func TestMachineCode(t *testing.T) {
	for arch, want := range map[string][]byte{
		"amd64": {
			0xb8, 0x01, 0, 0, 0, 0xbf, 0x01, 0, 0, 0, 0xbe, 0x78, 0x56, 0x34, 0x12, 0xba, 0xcd, 0xab, 0, 0, 0x0f, 0x05,
			0xb8, 0x3c, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05,
		},
		"arm64": {
			0x20, 0x00, 0x80, 0xd2, // mov x0, #1
			0x01, 0xcf, 0x8a, 0xd2, // mov x1, #0x5678
			0x81, 0x46, 0xa2, 0xf2, // movk x1, #0x1234, lsl #16
			0xa2, 0x79, 0x95, 0xd2, // mov x2, #0xabcd
			0x08, 0x08, 0x80, 0xd2, // mov x8, #64
			0x01, 0x00, 0x00, 0xd4, // svc #0
			0x00, 0x00, 0x80, 0xd2, // mov x0, #0
			0xa8, 0x0b, 0x80, 0xd2, // mov x8, #93
			0x01, 0x00, 0x00, 0xd4, // svc #0
		},
	} {
		if got := machines[arch].code(0x12345678, 0xabcd); !bytes.Equal(got, want) {
			t.Errorf("%s: expected % x, got % x", arch, want, got)
		}
	}
}

func TestImageIsValidAndAlwaysTheSame(t *testing.T) {
	digests := map[string]bool{}
	for _, arch := range []string{"amd64", "amd64", "arm64"} {
		dir := filepath.Join(t.TempDir(), "layout")
		if err := Write(dir, arch); err != nil {
			t.Fatal(err)
		}
		index, err := layout.ImageIndexFromPath(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Index(index); err != nil {
			t.Errorf("%s: expected a valid image, got %v", arch, err)
		}
		d, err := index.Digest()
		if err != nil {
			t.Fatal(err)
		}
		digests[arch+d.String()] = true
	}
	if len(digests) != 2 {
		t.Errorf("expected one digest for each architecture, got %v", digests)
	}
}

func TestWriteForUnknownArchitecture(t *testing.T) {
	if err := Write(t.TempDir(), "pdp11"); errdefs.Class(err) != errdefs.ErrNotFound {
		t.Errorf("expected not found, got %v", err)
	}
}

func TestMeans(t *testing.T) {
	for ref, want := range map[string]bool{"hello": true, "hello:latest": true, "localhost/berth/hello:latest": true, "hello:1": false, "docker.io/hello": false, "": false} {
		if Means(ref) != want {
			t.Errorf("%q: expected %v", ref, want)
		}
	}
	if Reference().String() != Name {
		t.Errorf("expected %s, got %s", Name, Reference())
	}
}
