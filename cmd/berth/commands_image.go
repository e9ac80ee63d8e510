package main

import "github.com/spf13/cobra"

// imageAndSystemCommands are the commands of images, volumes and the system, each with its group.
func imageAndSystemCommands(a *app) []*cobra.Command {
	ofImages := []*cobra.Command{
		newImagesCmd(a), newPullCmd(a), newPushCmd(a), newTagCmd(a), newUntagCmd(a), newRmiCmd(a), newHistoryCmd(a),
		newSaveCmd(a), newLoadCmd(a), newImportCmd(a), newLoginCmd(a), newLogoutCmd(a), newImageCmd(a),
	}
	for _, c := range ofImages {
		c.GroupID = groupImage
	}
	ofSystem := []*cobra.Command{
		newVolumeCmd(a), newHealthcheckCmd(a), newSystemCmd(a), newInfoCmd(a), newVersionCmd(a), newEventsCmd(a), newCompletionCmd(a),
	}
	for _, c := range ofSystem {
		c.GroupID = groupSystem
	}
	return append(append(ofImages, ofSystem...), newManpagesCmd(a))
}
