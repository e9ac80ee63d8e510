package main

import (
	"fmt"
	"strings"
	"testing"
)

func TestCloneArgumentsAndFlagsBecomeOptions(t *testing.T) {
	for args, expected := range map[string]string{
		"web":                         "name= image= destroy=false force=false",
		"web copy":                    "name=copy image= destroy=false force=false",
		"web /copy debian":            "name=copy image=debian destroy=false force=false",
		"--name copy --destroy web":   "name=copy image= destroy=true force=false",
		"--destroy -f web copy":       "name=copy image= destroy=true force=true",
		"--destroy -f web copy redis": "name=copy image=redis destroy=true force=true",
	} {
		f := twoContainers()
		mustPrint(t, with(f), idWeb+"\n", append([]string{"container", "clone"}, strings.Fields(args)...)...)
		o := f.cloned
		got := fmt.Sprintf("name=%s image=%s destroy=%v force=%v", o.Name, o.Image, o.Destroy, o.Force)
		if got != expected || !o.Limits.Empty() {
			t.Errorf("clone %s: expected %s and no limits, got %s, %+v", args, expected, got, o.Limits)
		}
	}
	f := twoContainers()
	mustPrint(t, with(f), idWeb+"\n", "container", "clone", "--memory", "64m", "--run", "db")
	if f.cloned.Limits.Memory == nil || *f.cloned.Limits.Memory != 64<<20 || !sameWords(f.done, []string{"clone db", "start " + idWeb}) {
		t.Errorf("expected a clone with 64 MB that is started, got %+v, %v", f.cloned.Limits, f.done)
	}
}

func TestCloneRefusesWhatContradictsItself(t *testing.T) {
	for args, words := range map[string]string{
		"--name a web b": "not both", "-f web": "--destroy", "--memory lots web": "--memory", "nosuch": "no such container", "": "missing arguments",
	} {
		mustFail(t, with(twoContainers()), exitEngine, words, append([]string{"container", "clone"}, strings.Fields(args)...)...)
	}
}
