package engine

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/image"
	"github.com/berth-engine/berth/lock"
	"github.com/berth-engine/berth/store"
)

// Images are the operations on images. Those that change something append an event afterwards.
type Images struct{ e *Engine }

// Pull makes sure that an image is in the store and returns its ID, or those of all tags. See image.Store.Pull.
func (s *Images) Pull(ctx context.Context, ref string, o image.PullOptions) ([]string, error) {
	ids, err := s.e.images.Pull(ctx, ref, o)
	if err != nil {
		failed := imageEvent(event.PullError, "", ref)
		failed.Attributes = map[string]string{"error": err.Error()}
		s.e.noteImages(ctx, failed)
		return ids, err
	}
	return ids, s.record(ctx, event.Pull, ref, ids...)
}

// Push copies an image to a registry, or where a transport says, and returns the digest of its manifest. See
// image.Store.Push.
func (s *Images) Push(ctx context.Context, ref, destination string, o image.PushOptions) (digest string, err error) {
	img, err := s.Inspect(ctx, ref)
	if err != nil {
		return "", err
	}
	if digest, err = s.e.images.Push(ctx, ref, destination, o); err != nil {
		return "", err
	}
	if destination == "" {
		destination = ref
	}
	return digest, s.record(ctx, event.Push, destination, img.ID)
}

// Load puts the images of an archive into the store: of r, or of o.Path when r is nil.
func (s *Images) Load(ctx context.Context, r io.Reader, o image.LoadOptions) ([]image.Loaded, error) {
	if r != nil {
		o.Path, o.Input = "", r
	}
	loaded, err := s.e.images.Load(ctx, o)
	if err != nil {
		return nil, err
	}
	var events []event.Event
	for _, l := range loaded {
		events = append(events, imageEvent(event.LoadImage, l.ID, strings.Join(l.Names, ",")))
	}
	return loaded, s.e.recordEvents(ctx, events)
}

// Save writes images to an archive or a directory.
func (s *Images) Save(ctx context.Context, refs []string, o image.SaveOptions) error {
	if err := s.e.images.Save(ctx, refs, o); err != nil {
		return err
	}
	var events []event.Event
	for _, ref := range refs {
		if img, err := s.Inspect(ctx, ref); err == nil {
			events = append(events, imageEvent(event.Save, img.ID, ref))
		}
	}
	return s.e.recordEvents(ctx, events)
}

// Import makes an image of the archive of a root file system.
func (s *Images) Import(ctx context.Context, source string, o image.ImportOptions) (id string, err error) {
	if id, err = s.e.images.Import(ctx, source, o); err != nil {
		return "", err
	}
	return id, s.record(ctx, event.Import, o.Reference, id)
}

// Tag gives an image further names.
func (s *Images) Tag(ctx context.Context, ref string, names []string) error {
	id, err := s.e.images.Tag(ctx, ref, names)
	if err != nil {
		return err
	}
	var events []event.Event
	for _, n := range names {
		events = append(events, imageEvent(event.Tag, id, n))
	}
	return s.e.recordEvents(ctx, events)
}

// Untag takes names off an image, all of them if none is given.
func (s *Images) Untag(ctx context.Context, ref string, names []string) error {
	id, err := s.e.images.Untag(ctx, ref, names)
	if err != nil {
		return err
	}
	return s.record(ctx, event.Untag, ref, id)
}

// Remove takes names off images and deletes those that have none left. An image that containers are made from is kept
// (ErrConflict, naming them); with Force those containers are removed first.
func (s *Images) Remove(ctx context.Context, refs []string, o image.RemoveOptions) ([]image.RemoveReport, error) {
	o.Guard = s.guard(o.Force)
	reports, err := s.e.images.Remove(ctx, refs, o)
	return s.removed(ctx, reports, err)
}

// Prune deletes the images without a name, or all that no container is made from.
func (s *Images) Prune(ctx context.Context, o image.PruneOptions) ([]image.RemoveReport, error) {
	o.Guard = s.guard(false)
	reports, err := s.e.images.Prune(ctx, o)
	return s.removed(ctx, reports, err)
}

// removed records what the reports say, whatever err is.
func (s *Images) removed(ctx context.Context, reports []image.RemoveReport, err error) ([]image.RemoveReport, error) {
	var events []event.Event
	for _, r := range reports {
		for _, name := range r.Untagged {
			events = append(events, imageEvent(event.Untag, r.ID, name))
		}
		for _, id := range r.Deleted {
			events = append(events, imageEvent(event.Remove, id, ""))
		}
	}
	if rerr := s.e.recordEvents(ctx, events); err == nil {
		err = rerr
	}
	return reports, err
}

// guard keeps images in use from being deleted, and new containers from being made of one that is.
func (s *Images) guard(force bool) func(ctx context.Context, id string) (func(), error) {
	return func(ctx context.Context, id string) (release func(), err error) {
		if release, err = s.e.locks.Lock(ctx, lock.Name(imageLock+id)); err != nil {
			return nil, err
		}
		if err := s.free(ctx, id, force); err != nil {
			release()
			return nil, err
		}
		return release, nil
	}
}

// free returns ErrConflict while containers are made from the image; with force it removes them, but for those of other
// namespaces of the store. The image's lock is held.
func (s *Images) free(ctx context.Context, id string, force bool) error {
	users, err := s.users(ctx, id)
	if err != nil {
		return err
	}
	var keep []string
	for _, c := range users {
		name := fmt.Sprintf("%s (%s)", c.Config.Name, shortImageID(c.Config.ID))
		switch foreign := !s.e.sees(c); {
		case foreign:
			keep = append(keep, fmt.Sprintf("%s of namespace %q", name, c.Config.Namespace))
		case !force:
			keep = append(keep, name)
		default:
			_, err := s.e.Containers.Remove(ctx, c.Config.ID, RemoveOptions{Force: true, Depend: true})
			if err != nil && errdefs.Class(err) != errdefs.ErrNotFound {
				return err
			}
		}
	}
	if len(keep) == 0 {
		return nil
	}
	return errdefs.Conflict("image %s is in use by %s: remove the containers first, or all of it with --force",
		shortImageID(id), strings.Join(keep, ", "))
}

// users are the containers made from an image, in all namespaces: layers are shared by all of them.
func (s *Images) users(ctx context.Context, id string) (users []*container.Container, err error) {
	st := s.e.store
	if s.e.settings.namespace != "" {
		if st, err = s.e.openStoreIn(ctx, ""); err != nil {
			return nil, err
		}
		defer st.Close()
	}
	err = st.View(ctx, func(tx store.Tx) (err error) {
		users, err = tx.Containers().ByImage(id)
		return err
	})
	return users, err
}

// sees reports whether the container is in the engine's namespace.
func (e *Engine) sees(c *container.Container) bool {
	return e.settings.namespace == "" || e.settings.namespace == c.Config.Namespace
}

// List returns images, newest first.
func (s *Images) List(ctx context.Context, o image.ListOptions) ([]image.Image, error) {
	return s.e.images.List(ctx, o)
}

// Inspect returns one image.
func (s *Images) Inspect(ctx context.Context, ref string) (*image.Image, error) {
	return s.e.images.Inspect(ctx, ref)
}

// History returns the steps that made an image, newest first.
func (s *Images) History(ctx context.Context, ref string) ([]image.HistoryEntry, error) {
	return s.e.images.History(ctx, ref)
}

// Exists reports whether there is such an image.
func (s *Images) Exists(ctx context.Context, ref string) (bool, error) {
	return s.e.images.Exists(ctx, ref)
}

// Login tries credentials at a registry and keeps them.
func (s *Images) Login(ctx context.Context, o image.LoginOptions) error {
	return s.e.images.Login(ctx, o)
}

// LoggedIn returns the user name that is kept for a registry. ErrNotFound.
func (s *Images) LoggedIn(ctx context.Context, o image.LoginOptions) (string, error) {
	return s.e.images.LoggedIn(ctx, o)
}

// Logout forgets credentials.
func (s *Images) Logout(ctx context.Context, o image.LogoutOptions) error {
	return s.e.images.Logout(ctx, o)
}

func imageEvent(a event.Action, id, name string) event.Event {
	return event.Event{Type: event.Image, Action: a, ID: id, Name: name}
}

// record appends one event for each ID.
func (s *Images) record(ctx context.Context, a event.Action, name string, ids ...string) error {
	var events []event.Event
	for _, id := range ids {
		events = append(events, imageEvent(a, id, name))
	}
	return s.e.recordEvents(ctx, events)
}

// recordEvents appends events in one transaction, even when the caller has been cancelled: what they tell of has happened.
func (e *Engine) recordEvents(ctx context.Context, events []event.Event) error {
	if len(events) == 0 {
		return nil
	}
	return e.store.Update(context.WithoutCancel(ctx), store.Synced, func(tx store.UpdateTx) error {
		for _, ev := range events {
			if err := tx.Writer().Append(ev); err != nil {
				return err
			}
		}
		return nil
	})
}

// noteImages appends events where failing to must not hide another error.
func (e *Engine) noteImages(ctx context.Context, events ...event.Event) {
	if err := e.recordEvents(ctx, events); err != nil {
		e.log.Warn("an event of an image could not be recorded", "err", err)
	}
}

// pulled records that a container's image was pulled.
func (e *Engine) pulled(ctx context.Context, id, ref string) {
	e.noteImages(ctx, imageEvent(event.Pull, id, ref))
}

func shortImageID(id string) string { return id[:min(len(id), 12)] }
