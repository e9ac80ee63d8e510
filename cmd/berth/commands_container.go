package main

import "github.com/spf13/cobra"

// containerCommands are the commands of containers: at the top level by group, and all of them again below "container".
func containerCommands(a *app) []*cobra.Command {
	parent := parentCmd("container", "The commands of containers, and a few more")
	parent.GroupID = groupSystem
	parent.AddCommand(newExistsCmd(a), newCleanupCmd(a), newContainerInspectCmd(a), newContainerPruneCmd(a))
	cmds := []*cobra.Command{parent, newInspectCmd(a)}
	for _, group := range []struct {
		id    string
		makes []func(*app) *cobra.Command
	}{
		{groupRun, []func(*app) *cobra.Command{
			newRunCmd, newCreateCmd, newStartCmd, newStopCmd, newRestartCmd, newKillCmd, newRmCmd, newInitCmd,
		}},
		{groupInside, []func(*app) *cobra.Command{newExecCmd, newAttachCmd, newPauseCmd, newUnpauseCmd, newRenameCmd, newWaitCmd}},
		{groupLook, []func(*app) *cobra.Command{newPsCmd, newLogsCmd, newTopCmd, newPortCmd}},
	} {
		for _, make := range group.makes {
			top := make(a)
			top.GroupID = group.id
			cmds = append(cmds, top)
			parent.AddCommand(make(a))
		}
	}
	return cmds
}
