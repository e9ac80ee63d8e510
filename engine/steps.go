package engine

import (
	"context"
	"errors"
	"fmt"
)

// step is one named part of a verb. do is idempotent; undo, which may be nil, takes back what do did or began, and is
// idempotent too. A process killed between two steps leaves what reconcile finishes or undoes (DESIGN I5).
type step struct {
	name string
	do   func(context.Context) error
	undo func(context.Context) error
}

// runSteps does the steps of a verb in order. If one fails, its own and the earlier ones' undo are run in reverse, even if ctx
// has ended.
func runSteps(ctx context.Context, verb string, steps []step) error {
	for i, s := range steps {
		err := ctx.Err()
		if err == nil {
			err = failpoint(verb, s.name, "before")
		}
		if err == nil {
			err = s.do(ctx)
		}
		if err == nil {
			err = failpoint(verb, s.name, "after")
		}
		if err != nil {
			return errors.Join(err, undo(context.WithoutCancel(ctx), steps[:i+1]))
		}
	}
	return nil
}

func undo(ctx context.Context, steps []step) error {
	var errs []error
	for i := len(steps) - 1; i >= 0; i-- {
		if steps[i].undo == nil {
			continue
		}
		if err := steps[i].undo(ctx); err != nil {
			errs = append(errs, fmt.Errorf("undoing %s: %w", steps[i].name, err))
		}
	}
	return errors.Join(errs...)
}
