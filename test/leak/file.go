package leak

import (
	"io/fs"
	"path/filepath"
	"regexp"
)

// KeptUntilReboot matches the paths, relative to the run directory, that an engine makes once after boot and then keeps: its
// lock file, its mark of the boot, the directories that hold containers' things, the OCI runtime on a read-only mount, and crun's
// own cache of compiled seccomp profiles.
var KeptUntilReboot = regexp.MustCompile(`^(\.|locks?|boot|claims|containers|execs|mapped|mounts|seccomp(/[^/]+)?|bin(/[^/]+){0,2}|runtime(/[^/]+(/\.cache(/seccomp(/[^/]+)?)?)?)?|storage(/.*)?)$`)

// keptInRoot matches the paths, relative to the state directory, that do not belong to one container: the database, the image
// store (whose layers are the images' own; its temporary files are not), and the directories that hold containers.
var keptInRoot = regexp.MustCompile(`^(\.|[a-z]+\.db(-wal|-shm|-lock)?|containers|volumes|volumes/\.removed|storage)$`)

// storeTemp matches what containers/storage keeps only while it works, relative to the image store.
var storeTemp = regexp.MustCompile(`^(tmp|overlay/(tempdirs|staging|.*-removing)|overlay-layers/tmp-.*)/.+$`)

// findFiles returns the files that belong to no image and are not kept on purpose.
func findFiles(s Scope, _ map[string]bool) ([]Leak, error) {
	var leaks []Leak
	add := func(kind Kind, top string, allowed func(rel string) (ok, enter bool)) error {
		if top == "" {
			return nil
		}
		return filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				if gone(err) {
					return nil
				}
				return err
			}
			rel, _ := filepath.Rel(top, path)
			ok, enter := allowed(rel)
			if !ok {
				leaks = append(leaks, Leak{kind, path, d.Type().String()})
			}
			if d.IsDir() && !enter {
				return filepath.SkipDir
			}
			return nil
		})
	}
	// A directory that should not be there is named once, without what is in it.
	whole := func(allowed *regexp.Regexp) func(string) (bool, bool) {
		return func(rel string) (bool, bool) {
			ok := allowed.MatchString(rel)
			return ok, ok && rel != "storage"
		}
	}
	if err := add(File, s.RunRoot, whole(KeptUntilReboot)); err != nil {
		return nil, err
	}
	if err := add(File, s.Root, whole(keptInRoot)); err != nil {
		return nil, err
	}
	if err := add(Temp, s.Temp, func(rel string) (bool, bool) { return rel == ".", rel == "." }); err != nil {
		return nil, err
	}
	err := add(Temp, filepath.Join(s.Root, "storage"), func(rel string) (bool, bool) {
		bad := storeTemp.MatchString(rel)
		return !bad, !bad && filepath.Base(rel) != "diff"
	})
	return leaks, err
}
