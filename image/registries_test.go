package image

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/berth-engine/berth/errdefs"
)

func TestRegistriesAreThoseOfTheFile(t *testing.T) {
	dir := t.TempDir()
	conf := filepath.Join(dir, "registries.conf")
	text := "unqualified-search-registries = ['a.example', 'b.example:5000']\n" +
		"[[registry]]\nlocation = 'bad.example'\nblocked = true\n[[registry]]\nlocation = 'good.example'\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := Open(Options{Root: dir + "/root", RunRoot: dir + "/run", RegistriesConf: conf, RegistriesConfDir: dir + "/none"})
	search, blocked, err := s.Registries()
	if err != nil || !reflect.DeepEqual(search, []string{"a.example", "b.example:5000"}) || !reflect.DeepEqual(blocked, []string{"bad.example"}) {
		t.Errorf("expected a.example, b.example:5000 and bad.example blocked; got %v, %v, %v", search, blocked, err)
	}
}

func TestABadRegistriesConfIsInvalid(t *testing.T) {
	dir := t.TempDir()
	conf := filepath.Join(dir, "registries.conf")
	if err := os.WriteFile(conf, []byte("unqualified-search-registries = 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := Open(Options{Root: dir + "/root", RunRoot: dir + "/run", RegistriesConf: conf, RegistriesConfDir: dir + "/none"})
	if _, _, err := s.Registries(); errdefs.Class(err) != errdefs.ErrInvalidArgument {
		t.Errorf("expected ErrInvalidArgument, got %v", err)
	}
}
