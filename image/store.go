package image

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"go.podman.io/storage"
	graphdriver "go.podman.io/storage/drivers"
	"go.podman.io/storage/types"

	"github.com/berth-engine/berth/errdefs"
)

// Store is the images under one root directory. It may be used by any number of goroutines, and any number of processes may
// have the same root open.
type Store struct {
	opts Options
	log  *slog.Logger

	mu   sync.Mutex
	open storage.Store
}

// Open returns the store of the images. It touches nothing: the directories are made and containers/storage is opened by the
// first operation that needs them.
//
// A program that calls it must call reexec.Init of go.podman.io/storage/pkg/reexec first thing in main and return if that
// returns true: layers are unpacked by a copy of the program in a chroot.
func Open(opts Options) *Store {
	s := &Store{opts: opts, log: opts.Logger}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

// Close releases the store.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open != nil {
		s.open.Free()
		s.open = nil
	}
	return nil
}

// storage opens containers/storage, once.
func (s *Store) storage() (storage.Store, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open != nil {
		return s.open, nil
	}
	if err := s.probing(); err != nil {
		return nil, err
	}
	err := s.openStorage()
	return s.open, err
}

// reopen opens containers/storage anew, which makes it clean up after what has died. The caller is alone (see operation).
func (s *Store) reopen() (storage.Store, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open != nil {
		s.open.Free()
		s.open = nil
	}
	err := s.openStorage()
	return s.open, err
}

// openStorage sets s.open. s.mu is held.
func (s *Store) openStorage() error {
	routeLogs(s.log)
	opts, err := s.storageOptions()
	if err != nil {
		return err
	}
	st, err := storage.GetStore(opts)
	if err != nil && opts.GraphDriverName == "overlay" && notSupported(err) {
		s.log.Warn("overlay cannot be used for images, copying layers instead", "root", s.opts.Root, "err", err)
		opts.GraphDriverName, opts.GraphDriverOptions = "vfs", driverOptions("vfs", opts.GraphDriverOptions)
		st, err = storage.GetStore(opts)
	}
	if err != nil {
		return storeError(err, fmt.Sprintf("opening the image store %s", s.opts.Root))
	}
	s.open = st
	return nil
}

// storageOptions are storage.conf's with Berth's own places, and with every layer synced before it is recorded (invariant I7).
func (s *Store) storageOptions() (storage.StoreOptions, error) {
	opts, err := types.LoadStoreOptions(types.LoadOptions{})
	if err != nil {
		return opts, errdefs.Invalid("reading storage.conf: %w", err)
	}
	opts.GraphRoot, opts.RunRoot, opts.ImageStore = s.opts.Root, s.opts.RunRoot, ""
	opts.TransientStore = false
	if opts.GraphDriverName != "vfs" {
		opts.GraphDriverName = "overlay" // others give no directories to mount
	}
	if s.opts.Driver != "" {
		opts.GraphDriverName = s.opts.Driver
	}
	opts.GraphDriverOptions = driverOptions(opts.GraphDriverName, opts.GraphDriverOptions)
	// Layers must be plain directories: package rootfs mounts them itself.
	opts.PullOptions = map[string]string{"enable_partial_images": "false"}
	return opts, nil
}

// driverOptions adds what Berth relies on: layers synced, no bind mount of the store over itself, plain layers.
func driverOptions(driver string, given []string) []string {
	opts := slices.DeleteFunc(slices.Clone(given), func(o string) bool {
		name, _, _ := strings.Cut(o, "=")
		name = name[strings.LastIndexByte(name, '.')+1:]
		return name == "sync" || name == "skip_mount_home" || name == "use_composefs"
	})
	switch driver {
	case "overlay":
		return append(opts, "overlay.sync=filesystem", "overlay.skip_mount_home=true", "overlay.use_composefs=false")
	case "vfs":
		// The driver looks for the option under its name with the driver's before it.
		return append(vfsOptions(opts), "vfs.vfs.sync=filesystem")
	}
	return opts
}

// vfsOptions keeps the additional image stores, the only option that both drivers know.
func vfsOptions(given []string) []string {
	return slices.DeleteFunc(slices.Clone(given), func(o string) bool {
		name, _, _ := strings.Cut(o, "=")
		return !strings.HasSuffix(name, "imagestore")
	})
}

func notSupported(err error) bool {
	return errors.Is(err, graphdriver.ErrNotSupported) || errors.Is(err, graphdriver.ErrIncompatibleFS) ||
		errors.Is(err, graphdriver.ErrPrerequisites)
}

// exists reports whether the store has ever been written, so that reading an empty one makes nothing.
func (s *Store) exists() bool {
	_, err := os.Lstat(filepath.Join(s.opts.Root, "storage.lock"))
	return !errors.Is(err, fs.ErrNotExist)
}
