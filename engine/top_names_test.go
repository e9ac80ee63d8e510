package engine

import (
	"testing"

	"github.com/berth-engine/berth/container"
)

func TestIDsOfTheHostAreThoseOfTheContainerInItsNamespace(t *testing.T) {
	maps := []container.IDMap{{ContainerID: 0, HostID: 100000, Size: 10}, {ContainerID: 500, HostID: 7, Size: 1}}
	for host, expected := range map[int]int{100000: 0, 100009: 9, 7: 500, 100010: overflowID, 0: overflowID} {
		if got := inside(host, maps); got != expected {
			t.Errorf("%d: expected %d, got %d", host, expected, got)
		}
	}
	if got := inside(42, nil); got != 42 {
		t.Errorf("without a user namespace: expected 42, got %d", got)
	}
	if got := namesOf("100000 7 8", maps, map[int]string{0: "root"}); got != "root,500,65534" {
		t.Errorf("expected root,500,65534, got %s", got)
	}
}

func TestCapabilitiesAreNoneFullOrNamed(t *testing.T) {
	n := &topNames{lastCapability: 40}
	for set, expected := range map[string]string{
		"0000000000000000": "none", "000001ffffffffff": "full", "ffffffffffffffff": "full", "0000000000002001": "CHOWN,NET_RAW", "x": "?",
	} {
		if got := n.capabilities(set); got != expected {
			t.Errorf("%s: expected %s, got %s", set, expected, got)
		}
	}
}

func FuzzNamesOfUsersAndGroups(f *testing.F) {
	f.Add("root:x:0:0:root:/root:/bin/sh\nroot2:x:0:0::/:\nbroken\nx:y:z\n")
	f.Fuzz(func(t *testing.T, file string) {
		for id, name := range idNames(file) {
			if name == "" {
				t.Errorf("ID %d has an empty name", id)
			}
		}
	})
}
