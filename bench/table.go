package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The figures in a document are between these lines; what is around them is written by people and kept.
const (
	figuresBegin = "<!-- figures: written by make bench -->\n"
	figuresEnd   = "<!-- end of figures -->\n"
)

// document is the table and what it was measured on.
func (b *bench) document(rows []row) string {
	var w strings.Builder
	w.WriteString(figuresBegin)
	fmt.Fprintf(&w, "Measured %s on %s, in %.0f s. The load average was %s when it began and %s when it ended.\n\n",
		time.Now().UTC().Format("2006-01-02"), machine(), time.Since(b.started).Seconds(), b.load, loadAverage())
	for _, c := range b.contestants {
		fmt.Fprintf(&w, "- %s: %s\n", c.name, versionOf(c))
	}
	fmt.Fprintf(&w, "\nMedians; before each turn nothing happens for %v. Beside a peer's figure is how many times as long (or as large) it is as Berth's with the same OCI runtime.\n\n", quiet)
	w.WriteString("| what | budget |")
	for _, c := range b.contestants {
		fmt.Fprintf(&w, " %s |", c.name)
	}
	w.WriteString("\n|---|---|" + strings.Repeat("---|", len(b.contestants)) + "\n")
	for _, r := range rows {
		fmt.Fprintf(&w, "| %s | %s |", r.what, r.budget)
		for _, c := range b.contestants {
			fmt.Fprintf(&w, " %s |", r.cell(c))
		}
		w.WriteString("\n")
	}
	w.WriteString(b.floorLines(rows))
	w.WriteString(figuresEnd)
	return w.String()
}

// cell is a figure with its verdict (Berth's own) or its ratio to Berth's (a peer's).
func (r row) cell(c *contestant) string {
	v, ok := r.values[c.name]
	if !ok {
		return "–"
	}
	text := format(v, r.unit)
	if c.engine == "berth" {
		switch {
		case r.met == nil:
		case r.met(r.values, c.name):
			text += " ✓"
		default:
			text += " **missed**"
		}
		return text
	}
	own, ok := r.values["Berth, "+c.runtime]
	if !ok { // measured with the other runtime only
		for _, name := range []string{"Berth, crun", "Berth, runc"} {
			if own, ok = r.values[name]; ok {
				break
			}
		}
	}
	if !ok || own == 0 || r.unit == "%" {
		return text
	}
	return fmt.Sprintf("%s (%.2g×)", text, v/own)
}

func format(v float64, unit string) string {
	switch {
	case v < 10:
		return fmt.Sprintf("%.2f %s", v, unit)
	case v < 100:
		return fmt.Sprintf("%.1f %s", v, unit)
	}
	return fmt.Sprintf("%.0f %s", v, unit)
}

// floorLines are the bare runtimes' figures.
func (b *bench) floorLines(rows []row) string {
	var w strings.Builder
	for _, r := range rows {
		for _, f := range b.floors {
			v, ok := r.values[f.floorName()]
			if !ok {
				continue
			}
			fmt.Fprintf(&w, "- %s, %s: %s; Berth over it: %s\n", r.what, f.floorName(), format(v, r.unit), format(r.values["Berth, "+f.name]-v, r.unit))
		}
	}
	if w.Len() == 0 {
		return ""
	}
	return "\nThe floor, an OCI runtime alone with Berth's spec (create, start, delete; exec):\n\n" + w.String()
}

// loadAverage is that of the last minute: what else the machine did, and at the end the benchmark itself.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

func machine() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "Linux"
	}
	model := "an unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for _, line := range strings.Split(string(text), "\n") {
			if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%d × %s, Linux %s", runtime.NumCPU(), model, unix.ByteSliceToString(u.Release[:]))
}

func versionOf(c *contestant) string {
	engine, err := c.output("--version")
	if err != nil {
		return err.Error()
	}
	oci, err := exec.Command(c.runtime, "--version").Output()
	if err != nil {
		return engine
	}
	first, _, _ := strings.Cut(string(oci), "\n")
	return engine + "; " + first
}

// replaceFigures writes the document into the file, in place of the figures that are there.
func replaceFigures(path, doc string) error {
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	head, rest, found := strings.Cut(string(text), figuresBegin)
	if !found {
		return os.WriteFile(path, []byte(string(text)+doc), 0o644)
	}
	_, tail, found := strings.Cut(rest, figuresEnd)
	if !found {
		return fmt.Errorf("%s: there is no line %q", path, strings.TrimSpace(figuresEnd))
	}
	return os.WriteFile(path, []byte(head+doc+tail), 0o644)
}
