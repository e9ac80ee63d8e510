package files

import (
	"io"
	"strings"
	"testing"

	"github.com/berth-engine/berth/test/sandbox"
)

func TestAnExportOfAContainerThatIsRemovedMeanwhileSaysSo(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "--name", "c", bb, "dd", "if=/dev/zero", "of=/big", "bs=1M", "count=8")
	cmd := s.Command(t.Context(), "export", "c")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errs strings.Builder
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 1<<20)); err != nil { // it is under way, and held up by the pipe
		t.Fatal(err)
	}
	s.OK("rm", "c")
	if _, err := io.Copy(io.Discard, out); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(errs.String(), "removed") {
		t.Errorf("expected the export to fail and say why, got %v: %s", err, errs.String())
	}
}
