package engine

import (
	"testing"
)

const netDev = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 9 9 9 9 0 0 0 0 9 9 9 9 0 0 0 0
  eth0: 1000 10 1 2 0 0 0 0 2000 20 3 4 0 0 0 0
eth1:7 1 0 0 0 0 0 0 8 1 0 0 0 0 0 0
`

func TestNetworkUseIsReadForEachInterfaceButTheLoopback(t *testing.T) {
	got := ContainerStats{Networks: parseNetDev(netDev)}
	if len(got.Networks) != 2 {
		t.Errorf("expected eth0 and eth1, got %v", got.Networks)
	}
	expected := NetworkUse{
		ReceivedBytes: 1007, ReceivedPackets: 11, ReceivedErrors: 1, ReceivedDropped: 2, SentBytes: 2008, SentPackets: 21, SentErrors: 3, SentDropped: 4,
	}
	if sum := got.Network(); sum != expected {
		t.Errorf("expected %+v, got %+v", expected, sum)
	}
}

func FuzzNetworkUse(f *testing.F) {
	f.Add(netDev)
	f.Add("a: 1 2 3\n:\n lo:\nb: x x x x x x x x x x x x\n")
	f.Fuzz(func(t *testing.T, text string) {
		for name := range parseNetDev(text) {
			if name == "lo" {
				t.Error("the loopback is counted")
			}
		}
	})
}
