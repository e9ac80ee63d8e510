package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/engine"
	"github.com/berth-engine/berth/errdefs"
)

// newPortCmd is berth port.
func newPortCmd(a *app) *cobra.Command {
	var (
		sel selection
		all bool
	)
	cmd := &cobra.Command{
		Use:     "port [FLAGS] CONTAINER [PORT[/PROTOCOL]]",
		Short:   "Show the ports that a container publishes",
		Example: "berth port web\nberth port web 80/tcp",
		Args: func(cmd *cobra.Command, args []string) error {
			if all {
				return noArgs(cmd, args)
			}
			return sel.checkOne(0)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if all {
				return a.portAll(cmd.Context())
			}
			return a.port(cmd.Context(), sel, args)
		},
	}
	sel.latestFlag(cmd.Flags())
	cmd.Flags().BoolVarP(&all, "all", "a", false, "Show the ports of all containers that run")
	return cmd
}

// port prints the ports of one container, or where one port of it is published.
func (a *app) port(ctx context.Context, sel selection, args []string) error {
	c, ref, rest, err := a.one(ctx, sel, args)
	if err != nil {
		return err
	}
	d, err := c.Inspect(ctx, ref, false)
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		for _, p := range singlePorts(d.Config.Network.Ports) {
			fmt.Fprintf(a.out, "%d/%s -> %s\n", p.ContainerPort, p.Protocol, hostAddress(p))
		}
		return nil
	}
	wanted, protocol, _ := strings.Cut(rest[0], "/")
	number, err := strconv.ParseUint(wanted, 10, 16)
	if err != nil {
		return errdefs.Invalid("%q is not a port: write 80 or 80/tcp", rest[0])
	}
	found := false
	for _, p := range singlePorts(d.Config.Network.Ports) {
		if p.ContainerPort == uint16(number) && (protocol == "" || strings.EqualFold(protocol, p.Protocol)) {
			fmt.Fprintln(a.out, hostAddress(p))
			found = true
		}
	}
	if !found {
		return errdefs.NotFound("container %s publishes no port %s", ref, rest[0])
	}
	return nil
}

// portAll prints the ports of all containers that run.
func (a *app) portAll(ctx context.Context) error {
	s, err := a.services(ctx)
	if err != nil {
		return err
	}
	running, err := s.Containers.List(ctx, engine.ListOptions{})
	if err != nil {
		return err
	}
	for _, c := range running {
		for _, p := range singlePorts(c.Config.Network.Ports) {
			fmt.Fprintf(a.out, "%s\t%d/%s -> %s\n", shortID(c.Config.ID, false), p.ContainerPort, p.Protocol, hostAddress(p))
		}
	}
	return nil
}

// singlePorts has an entry for each port of each range.
func singlePorts(ports []container.Port) []container.Port {
	var out []container.Port
	for _, p := range ports {
		for i := range max(p.Range, 1) {
			one := p
			one.HostPort, one.ContainerPort, one.Range = p.HostPort+i, p.ContainerPort+i, 1
			out = append(out, one)
		}
	}
	return out
}

func hostAddress(p container.Port) string {
	ip := p.HostIP
	if ip == "" {
		ip = "0.0.0.0"
	}
	if strings.Contains(ip, ":") {
		ip = "[" + ip + "]"
	}
	return fmt.Sprintf("%s:%d", ip, p.HostPort)
}
