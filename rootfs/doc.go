// Package rootfs makes a container's root file system and touches the files inside it.
//
// A Layer is the writable part: an overlay of the engine's own, over directories that package image names, mounted with the
// new mount API in about a millisecond whatever the number of containers. Where the kernel cannot put an overlay (its
// directory lies on an overlay itself), it is fuse-overlayfs if that is installed, else a copy.
//
// A Root is the mounted result held open. Every name of the container's is resolved inside it by the kernel (openat2(2)), so
// that no link in an image, and no process that swaps links while it runs, leads anywhere else. Users and groups by name,
// copies of the image's files into an empty volume, mount points and the engine's own files go through it.
//
// The contents of /etc/hosts, /etc/resolv.conf, /run/.containerenv and of lines for /etc/passwd are pure functions.
//
// It needs Linux 5.12 (mount_setattr(2)), id maps 5.19. Up to 6.6 overlays are made with mount(2), from 6.7 on with
// fsconfig(2); tests run both.
//
// # Options of the overlay
//
// index=off: the index would bind upper to one set of lower directories by file handle and make a layer that was copied or
// restored unusable. metacopy=off and redirect_dir=nofollow: upper then holds whole files at their own names, so that it can
// be read without the overlay, and no attribute in an image can send a lookup elsewhere. xino is left to the kernel.
//
// volatile is for layers that end with their container: fsync does nothing, and unmounting does not write back the whole file
// system that upper lies on. The kernel leaves a mark in work and refuses the next mount; Mount removes it, since what
// volatile gave up is only what a power cut takes, and a layer of that kind is gone after one.
package rootfs
