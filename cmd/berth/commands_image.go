package main

import "github.com/spf13/cobra"

// images, volumes and system are what the commands of images, volumes and the system need of the engine.
type (
	images  interface{}
	volumes interface{}
	system  interface{}
)

// imageAndSystemCommands are the commands of images, volumes and the system, each with its GroupID set (see root.go).
func imageAndSystemCommands(a *app) []*cobra.Command {
	return nil
}
