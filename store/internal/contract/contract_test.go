package contract_test

import (
	"errors"
	"testing"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/internal/contract"
	"github.com/berth-engine/berth/store/memory"
)

// No call of the store's lets a container outside a pod depend on one in it, but a damaged or a foreign database may have it so.
func TestThePodsContainersStayWhenOneOutsideDependsOnThem(t *testing.T) {
	s := memory.New().Open("")
	defer s.Close()
	of := func(id, pod string) *container.Container {
		return &container.Container{Config: container.Config{ID: id, Name: id, Pod: pod}, State: container.State{Status: container.Created}}
	}
	err := s.Update(t.Context(), store.Synced, func(tx store.UpdateTx) error {
		return errors.Join(
			tx.PodWriter().Add(&container.Pod{Config: container.PodConfig{ID: "p", Name: "p"}}),
			tx.PodWriter().AddContainer("p", of("in", "p")),
			tx.PodWriter().AddContainer("p", of("in, too", "p")),
			tx.ContainerWriter().Add(of("outside", "")),
			tx.(contract.UpdateTx).Rows().References.Insert(contract.Needs, "in, too", "outside"))
	})
	if err != nil {
		t.Fatalf("expected no error, got: %v", err)
	}
	err = s.Update(t.Context(), store.Synced, func(tx store.UpdateTx) error {
		err := tx.PodWriter().RemoveContainers("p")
		if !errors.Is(err, errdefs.ErrConflict) {
			t.Errorf("expected a conflict, got: %v", err)
		}
		left, err := tx.Pods().Containers("p")
		if len(left) != 2 {
			t.Errorf("expected that nothing was removed, got %d containers", len(left))
		}
		return err
	})
	if err != nil {
		t.Fatalf("expected no error, got: %v", err)
	}
}
