// Package stream tests what becomes of a container's standard streams: not one byte is lost, input ends when it should, and
// terminals behave as a person expects.
package stream

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-engine/berth/test/sandbox"
)

func TestMain(m *testing.M) { sandbox.Main(m) }

// blob is the size of the output that is not to lose a byte.
const blob = 100 << 20

// makeBlob writes random bytes, with newlines where chance puts them, and returns the directory and the sum.
func makeBlob(t *testing.T, s *sandbox.Sandbox, size int) (dir, sum string) {
	t.Helper()
	dir = filepath.Join(s.Dir, "blob")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "blob"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	source := rand.NewChaCha8([32]byte{1, 2, 3})
	if _, err := io.CopyN(io.MultiWriter(f, h), source, int64(size)); err != nil {
		t.Fatal(err)
	}
	return dir, hex.EncodeToString(h.Sum(nil))
}

// sumOf runs berth and returns the size and sum of its output; it must succeed.
func sumOf(t *testing.T, s *sandbox.Sandbox, args ...string) (int64, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), sandbox.Patience)
	defer cancel()
	cmd := s.Command(ctx, args...)
	h := sha256.New()
	count := &counter{}
	cmd.Stdout = io.MultiWriter(h, count)
	if r := s.Finish(ctx, cmd); r.Code != 0 {
		t.Errorf("expected success, got %s", r)
	}
	return count.n, hex.EncodeToString(h.Sum(nil))
}

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) { c.n += int64(len(p)); return len(p), nil }

func TestNoByteOfAttachedOutputIsLost(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	dir, sum := makeBlob(t, s, blob)
	n, got := sumOf(t, s, "run", "--rm", "-v", dir+":/blob:ro", bb, "cat", "/blob/blob")
	if got != sum {
		t.Errorf("expected %d bytes with sum %s, got %d with %s", blob, sum, n, got)
	}
}

func TestNoByteOfALoggedOutputIsLost(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{"k8s-file", "json-file"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			s := sandbox.New(t)
			bb := s.LoadBusybox()
			size := blob
			if driver == "json-file" {
				size = blob / 4 // its text form of random bytes is several times as long
			}
			dir, sum := makeText(t, s, size)
			id := s.OK("run", "-d", "--log-driver", driver, "-v", dir+":/blob:ro", bb, "cat", "/blob/blob")
			sandbox.Equal(t, "exit code", s.OK("wait", id), "0")
			n, got := sumOf(t, s, "logs", id)
			if got != sum {
				t.Errorf("expected %d bytes with sum %s, got %d with %s", size, sum, n, got)
			}
		})
	}
}

// makeText is makeBlob with lines of text of many lengths, some far longer than a pipe.
func makeText(t *testing.T, s *sandbox.Sandbox, size int) (dir, sum string) {
	t.Helper()
	dir, _ = makeBlob(t, s, 0)
	r := rand.New(rand.NewPCG(1, 2))
	var text bytes.Buffer
	for text.Len() < size {
		n := r.IntN(200)
		if r.IntN(1000) == 0 {
			n = r.IntN(300000)
		}
		for range n {
			text.WriteByte(byte(' ' + r.IntN(95)))
		}
		text.WriteByte('\n')
	}
	if err := os.WriteFile(filepath.Join(dir, "blob"), text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	h := sha256.Sum256(text.Bytes())
	return dir, hex.EncodeToString(h[:])
}

func TestLogsFollowedFromTheStartEndWithTheContainerAndHaveEverything(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	dir, sum := makeText(t, s, 20<<20)
	id := s.OK("run", "-d", "-v", dir+":/blob:ro", bb, "cat", "/blob/blob")
	if n, got := sumOf(t, s, "logs", "-f", id); got != sum {
		t.Errorf("expected the sum %s, got %d bytes with %s", sum, n, got)
	}
}

func TestNoByteOfATerminalsOutputIsLost(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	dir, sum := makeBlob(t, s, blob)
	// Without output processing the terminal's bytes are the program's.
	n, got := sumOf(t, s, "run", "--rm", "-t", "-v", dir+":/blob:ro", bb, "sh", "-c", "stty -opost; exec cat /blob/blob")
	if got != sum {
		t.Errorf("expected %d bytes with sum %s, got %d with %s", blob, sum, n, got)
	}
}

func TestStdoutAndStderrAreKeptApart(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	r := s.Berth("run", "--rm", bb, "sh", "-c", "echo out; echo err >&2; echo more")
	sandbox.Equal(t, "stdout", r.Stdout, "out\nmore\n")
	sandbox.Equal(t, "stderr", r.Stderr, "err\n")

	s.OK("run", "--name", "c", "-d", bb, "sh", "-c", "echo out; echo err >&2; sleep 1000")
	s.Eventually("both lines in the log", func() bool {
		r := s.Berth("logs", "c")
		return r.Stdout == "out\n" && r.Stderr == "err\n"
	})
	r = s.Berth("exec", "c", "sh", "-c", "echo out; echo err >&2; exit 3")
	r.Expect(t, 3)
	sandbox.Equal(t, "stdout of exec", r.Stdout, "out\n")
	sandbox.Equal(t, "stderr of exec", r.Stderr, "err\n")
}

func TestOnlyTheStreamsAskedForAreAttached(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	r := s.Berth("run", "--rm", "-a", "stderr", bb, "sh", "-c", "echo out; echo err >&2")
	sandbox.Equal(t, "stdout", r.Stdout, "")
	sandbox.Equal(t, "stderr", r.Stderr, "err\n")
}

func TestInputReachesTheContainerAndEnds(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	r := s.BerthIn("x\n", "run", "--rm", "-i", bb, "cat")
	sandbox.Equal(t, "echo x | run -i cat", r.Stdout, "x\n")

	big := strings.Repeat("0123456789abcdef\n", 1<<20)
	r = s.BerthIn(big, "run", "--rm", "-i", bb, "sha256sum")
	sum := sha256.Sum256([]byte(big))
	sandbox.Equal(t, "17 MB through run -i", strings.Fields(r.Stdout + " ")[0], hex.EncodeToString(sum[:]))

	s.OK("run", "-d", "--name", "c", bb, "sleep", "1000")
	r = s.BerthIn(big, "exec", "-i", "c", "sha256sum")
	sandbox.Equal(t, "17 MB through exec -i", strings.Fields(r.Stdout + " ")[0], hex.EncodeToString(sum[:]))
}

func TestWithoutInteractiveThereIsNoInput(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	r := s.BerthIn("not for it\n", "run", "--rm", bb, "cat")
	r.Expect(t, 0)
	sandbox.Equal(t, "output", r.Stdout, "")
}

func TestAProgramThatDoesNotReadItsInputDoesNotHoldUpTheEnd(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	r := s.BerthIn(strings.Repeat("x", 1<<20), "run", "--rm", "-i", bb, "sh", "-c", "exit 4")
	r.Expect(t, 4)

	// Nor does input that never ends: a pipe that stays open.
	ctx, cancel := context.WithTimeout(t.Context(), sandbox.Patience)
	defer cancel()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	cmd := s.Command(ctx, "run", "--rm", "-i", bb, "sh", "-c", "exit 5")
	cmd.Stdin = read
	s.Finish(ctx, cmd).Expect(t, 5)
}

func TestAClosedStandardOutputEndsNeitherContainerNorCleanUp(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	ctx, cancel := context.WithTimeout(t.Context(), sandbox.Patience)
	defer cancel()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	read.Close()
	cmd := s.Command(ctx, "run", "--rm", bb, "sh", "-c", "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done")
	cmd.Stdout = write
	r := s.Finish(ctx, cmd)
	write.Close()
	if r.Code == -1 {
		t.Errorf("expected an end, got %s", r)
	}
	s.Eventually("the container to be gone", func() bool { return s.OK("ps", "-aq") == "" })
	s.NoLeaks()
}

func TestFiftyReadersAttachedAtOnceSeeEverything(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	dir, sum := makeBlob(t, s, 2<<20)
	s.OK("run", "-d", "-i", "--name", "c", "-v", dir+":/blob:ro", bb, "sh", "-c", "read go; cat /blob/blob; exit 9")

	const readers = 50
	before := s.Sockets("c")
	type outcome struct {
		code        int
		sum, stderr string
	}
	done := make(chan outcome, readers)
	for range readers {
		ctx, cancel := context.WithTimeout(t.Context(), sandbox.Patience)
		defer cancel()
		cmd := s.Command(ctx, "attach", "--no-stdin", "c")
		h := sha256.New()
		var errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = h, &errs
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		go func() {
			_ = cmd.Wait()
			done <- outcome{cmd.ProcessState.ExitCode(), hex.EncodeToString(h.Sum(nil)), errs.String()}
		}()
	}
	s.Eventually("50 clients connected", func() bool {
		select {
		case o := <-done:
			t.Fatalf("a client has ended before there was anything to read: exit code %d, %s", o.code, o.stderr)
		default:
		}
		return s.Sockets("c") >= before+readers
	})
	r := s.BerthIn("go\n", "attach", "c")
	r.Expect(t, 9)
	for i := range readers {
		o := <-done
		if o.code != 9 || o.sum != sum {
			t.Errorf("reader %d: expected exit code 9 and sum %s, got %d and %s, and on standard error %s", i, sum, o.code, o.sum, o.stderr)
		}
	}
}

func TestAReaderThatDoesNotReadStopsNobodyElse(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	dir, sum := makeText(t, s, 8<<20)
	s.OK("run", "-d", "-i", "--name", "c", "-v", dir+":/blob:ro", bb, "sh", "-c", "read go; exec cat /blob/blob")
	before := s.Sockets("c")
	ctx, cancel := context.WithTimeout(t.Context(), sandbox.Patience)
	defer cancel()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	lazy := s.Command(ctx, "attach", "--no-stdin", "c")
	lazy.Stdout = write // which nobody reads
	if err := lazy.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	defer func() { _ = lazy.Process.Kill(); _ = lazy.Wait() }()
	s.Eventually("the lazy client connected", func() bool { return s.Sockets("c") > before })

	r := s.BerthIn("go\n", "attach", "c")
	r.Expect(t, 0)
	got := sha256.Sum256([]byte(r.Stdout))
	if hex.EncodeToString(got[:]) != sum {
		t.Errorf("expected the sum %s, got %d bytes with another", sum, len(r.Stdout))
	}
	if _, got := sumOf(t, s, "logs", "c"); got != sum {
		t.Errorf("expected the log to have everything")
	}
}
