// Command run shows the engine as a library: it runs one container, attached, and exits as the container did.
//
//	go run ./examples/run IMAGE COMMAND...
package main

import (
	"cmp"
	"context"
	"fmt"
	"os"

	"github.com/berth-engine/berth/engine"
)

func main() {
	if engine.Reexecuted() { // it was started again by itself, to unpack a layer
		return
	}
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: run IMAGE [COMMAND...]")
		os.Exit(125)
	}
	code, err := run(context.Background(), os.Args[1], os.Args[2:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
	}
	os.Exit(code)
}

func run(ctx context.Context, image string, command []string) (int, error) {
	root, runRoot := cmp.Or(os.Getenv("BERTH_ROOT"), engine.DefaultRoot), cmp.Or(os.Getenv("BERTH_RUNROOT"), engine.DefaultRunRoot)
	e, err := engine.Open(ctx, engine.WithRoot(root), engine.WithRunRoot(runRoot))
	if err != nil {
		return 125, err
	}
	defer e.Close()
	c, err := e.Containers.Create(ctx, engine.CreateOptions{Image: image, Command: command, AutoRemove: true, Progress: os.Stderr})
	if err != nil {
		return 125, err
	}
	status, err := e.Containers.StartAttached(ctx, c.ID, engine.StartOptions{}, engine.Streams{Stdout: os.Stdout, Stderr: os.Stderr})
	if err != nil {
		return 125, err
	}
	return status.Code, nil
}
