package main

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/berth-engine/berth/errdefs"
)

// confirm asks before something that cannot be undone. Without a terminal's answer it is the flag that must say yes: end of
// input is a no.
func confirm(a *app, warning string, force bool) (bool, error) {
	if force {
		return true, nil
	}
	fmt.Fprintf(a.out, "WARNING! %s\nAre you sure you want to continue? [y/N] ", warning)
	line, err := bufio.NewReader(a.in).ReadString('\n')
	if err != nil && line == "" {
		fmt.Fprintln(a.out)
		return false, errdefs.Invalid("no answer: give --force to go on without one")
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return true, nil
	}
	return false, nil
}
