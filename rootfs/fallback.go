package rootfs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/internal/tree"
)

// mountWithoutOverlay is Mount where the kernel has no overlay for the layer's directory: fuse-overlayfs in the same upper and
// work, else a copy of everything below, which the layer then keeps for good.
func (l Layer) mountWithoutOverlay(ctx context.Context, o MountOptions) error {
	if program, err := exec.LookPath("fuse-overlayfs"); err == nil {
		if _, err := os.Stat("/dev/fuse"); err == nil {
			return l.mountFuse(ctx, program, o)
		}
	}
	return l.mountCopy(ctx, o)
}

// mountFuse runs fuse-overlayfs, which goes on in the background until it is unmounted.
func (l Layer) mountFuse(ctx context.Context, program string, o MountOptions) error {
	ov := l.overlay(o)
	options := []string{
		"lowerdir=" + strings.Join(escaped(ov.lower), ":"),
		"upperdir=" + escaped([]string{ov.upper})[0], "workdir=" + escaped([]string{ov.work})[0],
	}
	if o.ReadOnly {
		options = append(options, "ro")
	}
	if o.Label != "" {
		options = append(options, `context="`+o.Label+`"`)
	}
	if len(o.UIDMap) > 0 {
		options = append(options, "uidmapping="+fuseMaps(o.UIDMap))
	}
	if len(o.GIDMap) > 0 {
		options = append(options, "gidmapping="+fuseMaps(o.GIDMap))
	}
	cmd := exec.CommandContext(ctx, program, "-o", strings.Join(options, ","), o.Target)
	if out, err := cmd.CombinedOutput(); err != nil {
		return errdefs.Internal("mounting with %s: %w: %s", program, err, strings.TrimSpace(string(out)))
	}
	return classed(unix.Mount("", o.Target, "", unix.MS_PRIVATE, ""), "making %s private", o.Target)
}

func fuseMaps(maps []IDMap) string {
	var parts []string
	for _, m := range maps {
		parts = append(parts, fmt.Sprintf("%d:%d:%d", m.ContainerID, m.HostID, m.Size))
	}
	return strings.Join(parts, ":")
}

// mountCopy makes the copy, unless it is there, and mounts it on the target. The copy appears under its name only when it is
// whole.
func (l Layer) mountCopy(ctx context.Context, o MountOptions) error {
	if _, err := os.Stat(l.copy()); errors.Is(err, os.ErrNotExist) {
		unfinished := l.copy() + ".tmp"
		if err := tree.Remove(ctx, unfinished); err != nil {
			return err
		}
		if err := copyLayers(ctx, o.Lower, unfinished); err != nil {
			return fmt.Errorf("copying the image, since overlay is not possible here: %w", err)
		}
		if err := os.Rename(unfinished, l.copy()); err != nil {
			return classed(err, "copying the image")
		}
	}
	return Bind(ctx, BindOptions{
		Source: l.copy(), Target: o.Target, ReadOnly: o.ReadOnly, UIDMap: o.UIDMap, GIDMap: o.GIDMap,
	})
}

// copyLayers makes dst the merged contents of layers in overlay's on-disk format, lowest first.
func copyLayers(ctx context.Context, lower []string, dst string) error {
	if err := os.Mkdir(dst, 0o755); err != nil {
		return classed(err, "making %s", dst)
	}
	out, err := os.Open(dst)
	if err != nil {
		return classed(err, "opening %s", dst)
	}
	defer out.Close()
	for _, dir := range lower {
		in, err := os.Open(dir)
		if err != nil {
			return classed(err, "layer of the image")
		}
		c := copier{ctx: ctx, top: out, whiteouts: true}
		err = c.dir(in, out, "", 0)
		in.Close()
		if err != nil {
			return fmt.Errorf("layer %s: %w", dir, err)
		}
	}
	return nil
}
