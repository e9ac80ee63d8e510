package main

import (
	"strings"
	"testing"

	"github.com/berth-engine/berth/errdefs"
)

func TestContainerPrunePrintsWhatIsGoneAndTheErrorsOfTheRest(t *testing.T) {
	f := twoContainers()
	mustPrint(t, with(f), idDB+"\n", "container", "prune", "-f", "--filter", "until=24h", "--filter", "label=a=b")
	if got := f.pruned; strings.Join(got["until"], " ") != "24h" || strings.Join(got["label"], " ") != "a=b" {
		t.Errorf("expected the filters until=24h and label=a=b, got %v", got)
	}
	f.err[idDB] = errdefs.Internal("disk full")
	mustFail(t, with(f), exitEngine, "disk full", "container", "prune", "-f")
}

func TestPruneAsksFirst(t *testing.T) {
	for _, args := range []string{"container prune", "system prune"} {
		f := twoContainers()
		got := berthWith(t, with(f), strings.NewReader("n\n"), strings.Fields(args)...)
		if got.code != 0 || f.pruned != nil || strings.Contains(got.out, idDB) {
			t.Errorf("berth %s, answered no: expected nothing to go, got %+v", args, got)
		}
		mustFail(t, with(twoContainers()), exitEngine, "--force", strings.Fields(args)...)
	}
}

func TestSystemPruneTakesContainersThenVolumesIfAskedThenImages(t *testing.T) {
	s := with(twoContainers())
	mustPrint(t, s, "Deleted Containers\n"+idDB+"\nDeleted Images\na\nb\nTotal reclaimed space: 1.5kB\n", "system", "prune", "-f")
	if s.Images.(*fakeImages).prune.All {
		t.Error("expected only images without a name to go")
	}
	s = with(twoContainers())
	mustPrint(t, s, "Deleted Containers\n"+idDB+"\nDeleted Volumes\na\nb\nDeleted Images\na\nb\nTotal reclaimed space: 1.5kB\n",
		"system", "prune", "-af", "--volumes", "--filter", "label=x")
	if p := s.Images.(*fakeImages).prune; !p.All || len(p.Filters["label"]) != 1 {
		t.Errorf("expected all images with the label to go, got %+v", p)
	}
}
