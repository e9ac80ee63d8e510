package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/berth-engine/berth/engine"
	"github.com/berth-engine/berth/errdefs"
)

func TestTheEndsOfACopyAreInAContainerOrOnTheHost(t *testing.T) {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for arg, expected := range map[string]engine.Place{
		"web:/etc/hosts": {Container: "web", Path: "/etc/hosts"},
		"web:etc/.":      {Container: "web", Path: "etc/."},
		"web:":           {Container: "web"},
		"web:/a:b":       {Container: "web", Path: "/a:b"},
		"/a:b":           {Path: "/a:b"},
		"./a:b":          {Path: dir + "/./a:b"},
		"a/.":            {Path: dir + "/a/."},
		".":              {Path: dir + "/."},
		":x":             {Path: dir + "/:x"},
	} {
		got, err := copyPlace(arg)
		if err != nil || got != expected {
			t.Errorf("%q: expected %+v, got %+v, %v", arg, expected, got, err)
		}
	}
	for _, args := range [][2]string{{"-", "-"}, {"a", "b"}, {"", "web:/"}, {"-", "/tmp"}} {
		if _, _, err := (&app{}).copyEnds(args[0], args[1]); !errors.Is(err, errdefs.ErrInvalidArgument) {
			t.Errorf("%q: expected it to be refused, got %v", args, err)
		}
	}
}

func TestAFileThatCannotBeWrittenWholeIsNotTouched(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, []byte("before"), 0o644); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	err := writeWhole(path, nil, func(w io.Writer) error {
		io.WriteString(w, "half")
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("expected the error, got %v", err)
	}
	if data, _ := os.ReadFile(path); string(data) != "before" {
		t.Errorf("expected the file as before, got %q", data)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("expected nothing beside it, got %v", entries)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("file", link); err != nil {
		t.Fatal(err)
	}
	err = writeWhole(link, nil, func(w io.Writer) error { _, err := io.WriteString(w, "after"); return err })
	if data, _ := os.ReadFile(path); err != nil || string(data) != "after" {
		t.Errorf("expected what the link leads to to be written, got %q, %v", data, err)
	}
}
