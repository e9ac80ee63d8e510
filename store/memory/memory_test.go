package memory_test

import (
	"testing"

	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/memory"
	"github.com/berth-engine/berth/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Opener {
		db := memory.New()
		return func(_ *testing.T, namespace string) store.Store { return db.Open(namespace) }
	})
}
