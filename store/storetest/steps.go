package storetest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/store"
)

// step is one operation, done to the store and to the model: both must give the same class of error.
type step struct {
	name string
	do   func(r *rand.Rand, tx store.UpdateTx, m *model) (got, want error)
}

// steps are all operations, the frequent ones several times.
var steps = []step{
	{"add", addStep}, {"add", addStep}, {"add", addStep}, {"remove", removeStep}, {"remove", removeStep},
	{"rename", renameStep}, {"set state", stateStep}, {"set state", stateStep}, {"set exit code", exitStep},
	{"rewrite", rewriteStep}, {"rewrite safely", safeRewriteStep}, {"connect", connectStep}, {"disconnect", disconnectStep},
	{"add pod", addPodStep}, {"remove pod", removePodStep}, {"change pod", changePodStep},
	{"add to pod", addToPodStep}, {"add to pod", addToPodStep}, {"add to pod", addToPodStep},
	{"remove from pod", removeFromPodStep}, {"remove all of pod", removeAllOfPodStep},
	{"put exec", putExecStep}, {"remove exec", removeExecStep}, {"add volume", addVolumeStep}, {"remove volume", removeVolumeStep},
	{"reserve", reserveStep}, {"release", releaseStep}, {"append", appendStep}, {"refresh", refreshStep},
}

const (
	modelIDs   = 12 // of containers and pods alike
	modelNames = 8  // of containers, pods, volumes and networks alike
)

func anyID(r *rand.Rand) string   { return id(r.IntN(modelIDs)) }
func anyName(r *rand.Rand) string { return fmt.Sprint("name", r.IntN(modelNames)) }

// anyContainer is a new container with something in it.
func anyContainer(r *rand.Rand) *container.Container {
	c := named(r.IntN(modelIDs), anyName(r))
	c.Config.Image.ID = fmt.Sprint("image", r.IntN(3))
	if r.IntN(2) == 0 {
		c.Config.Dependencies = []string{anyID(r)}
	}
	if r.IntN(2) == 0 {
		c.Config.Mounts = []container.Mount{{Type: container.Volume, Source: anyName(r), Destination: "/v"}}
	}
	if r.IntN(3) == 0 {
		c.Config.Network.Networks = map[string]container.NetworkOptions{anyName(r): {Aliases: []string{"a"}}}
	}
	return c
}

// mayDepend is why a container cannot depend on what it says.
func (m *model) mayDepend(c *container.Config) error {
	for _, d := range c.Dependencies {
		switch needed := m.container(d); {
		case needed == nil:
			return errdefs.ErrNotFound
		case needed.Config.Pod != c.Pod:
			return errdefs.ErrConflict
		}
	}
	return nil
}

// add is what adding a container does.
func (m *model) add(c *container.Container) error {
	if err := m.taken(c.Config.ID, c.Config.Name); err != nil {
		return err
	}
	if err := m.mayDepend(&c.Config); err != nil {
		return err
	}
	m.containers = append(m.containers, *c)
	delete(m.reserved, c.Config.Name)
	delete(m.exits, c.Config.ID)
	return nil
}

func addStep(r *rand.Rand, tx store.UpdateTx, m *model) (got, want error) {
	c := anyContainer(r)
	if r.IntN(20) == 0 {
		c.Config.Pod = anyID(r)
		return tx.ContainerWriter().Add(c), errdefs.ErrInvalidArgument
	}
	return tx.ContainerWriter().Add(c), m.add(c)
}

// mayGo is why a container cannot be removed.
func (m *model) mayGo(id string) error {
	if len(m.dependents(id)) > 0 || len(m.sessions(id)) > 0 {
		return errdefs.ErrConflict
	}
	return nil
}

func removeStep(r *rand.Rand, tx store.UpdateTx, m *model) (got, want error) {
	id := anyID(r)
	got = tx.ContainerWriter().Remove(id)
	switch c := m.container(id); {
	case c == nil:
		return got, errdefs.ErrNotFound
	case c.Config.Pod != "":
		return got, errdefs.ErrInvalidArgument
	}
	if want = m.mayGo(id); want == nil {
		m.drop(id)
	}
	return got, want
}

// name gives a container another name.
func (m *model) rename(c *container.Container, name string) error {
	if owner := m.owner(name); owner != "" && owner != c.Config.ID {
		return errdefs.ErrAlreadyExists
	}
	if name != c.Config.Name {
		delete(m.reserved, name)
	}
	c.Config.Name = name
	return nil
}

func renameStep(r *rand.Rand, tx store.UpdateTx, m *model) (got, want error) {
	id, name := anyID(r), anyName(r)
	got = tx.ContainerWriter().Rename(id, name)
	c := m.container(id)
	if c == nil {
		return got, errdefs.ErrNotFound
	}
	return got, m.rename(c, name)
}

func stateStep(r *rand.Rand, tx store.UpdateTx, m *model) (got, want error) {
	id, s := anyID(r), container.State{Status: statuses[r.IntN(len(statuses))], PID: r.IntN(1000)}
	got = tx.ContainerWriter().SetState(id, s)
	c := m.container(id)
	if c == nil {
		return got, errdefs.ErrNotFound
	}
	c.State = s
	return got, nil
}

func exitStep(r *rand.Rand, tx store.UpdateTx, m *model) (got, want error) {
	id, code := anyID(r), r.IntN(256)
	got = tx.ContainerWriter().SetExitCode(id, code)
	if m.container(id) == nil {
		return got, errdefs.ErrNotFound
	}
	m.exits[id] = code
	return got, nil
}

// rewritten is a container's configuration with something else in it.
func rewritten(r *rand.Rand, c *container.Container) container.Config {
	next := c.Config
	next.Image.ID = fmt.Sprint("image", r.IntN(3))
	next.Mounts = []container.Mount{{Type: container.Volume, Source: anyName(r), Destination: "/w"}}
	return next
}

func rewriteStep(r *rand.Rand, tx store.UpdateTx, m *model) (got, want error) {
	c := m.container(anyID(r))
	if c == nil {
		return tx.ContainerWriter().RewriteConfig(container.Config{ID: id(modelIDs)}), errdefs.ErrNotFound
	}
	next := rewritten(r, c)
	next.Dependencies = nil
	if r.IntN(2) == 0 {
		next.Dependencies = []string{anyID(r)}
	}
	got = tx.ContainerWriter().RewriteConfig(next)
	want = m.mayDepend(&next)
	if d := next.Dependencies; want == nil && len(d) > 0 && (d[0] == next.ID || m.needs(d[0], []string{next.ID})) {
		want = errdefs.ErrConflict
	}
	if want == nil {
		c.Config = next
	}
	return got, want
}

func safeRewriteStep(r *rand.Rand, tx store.UpdateTx, m *model) (got, want error) {
	c := m.container(anyID(r))
	if c == nil {
		return tx.ContainerWriter().SafeRewriteConfig(container.Config{ID: id(modelIDs)}), errdefs.ErrNotFound
	}
	next := rewritten(r, c)
	next.Name = anyName(r)
	got = tx.ContainerWriter().SafeRewriteConfig(next)
	if want = m.rename(c, next.Name); want == nil {
		c.Config = next
	}
	return got, want
}

func connectStep(r *rand.Rand, tx store.UpdateTx, m *model) (got, want error) {
	id, network, o := anyID(r), anyName(r), container.NetworkOptions{StaticIPs: []string{fmt.Sprint("10.0.0.", r.IntN(9))}}
	got = tx.ContainerWriter().Connect(id, network, o)
	c := m.container(id)
	if c == nil {
		return got, errdefs.ErrNotFound
	}
	if _, ok := c.Config.Network.Networks[network]; ok {
		return got, errdefs.ErrAlreadyExists
	}
	all := maps.Clone(c.Config.Network.Networks)
	if all == nil {
		all = map[string]container.NetworkOptions{}
	}
	all[network] = o
	c.Config.Network.Networks = all
	return got, nil
}

func disconnectStep(r *rand.Rand, tx store.UpdateTx, m *model) (got, want error) {
	id, network := anyID(r), anyName(r)
	got = tx.ContainerWriter().Disconnect(id, network)
	c := m.container(id)
	if c == nil {
		return got, errdefs.ErrNotFound
	}
	if _, ok := c.Config.Network.Networks[network]; !ok {
		return got, errdefs.ErrNotFound
	}
	all := maps.Clone(c.Config.Network.Networks)
	if delete(all, network); len(all) == 0 {
		all = nil
	}
	c.Config.Network.Networks = all
	return got, nil
}

func addPodStep(r *rand.Rand, tx store.UpdateTx, m *model) (got, want error) {
	p := pod(r.IntN(modelIDs), anyName(r))
	got = tx.PodWriter().Add(p)
	if want = m.taken(p.Config.ID, p.Config.Name); want == nil {
		m.pods = append(m.pods, *p)
		delete(m.reserved, p.Config.Name)
	}
	return got, want
}

func removePodStep(r *rand.Rand, tx store.UpdateTx, m *model) (got, want error) {
	id := anyID(r)
	got = tx.PodWriter().Remove(id)
	switch {
	case m.pod(id) == nil:
		return got, errdefs.ErrNotFound
	case len(m.members(id)) > 0:
		return got, errdefs.ErrConflict
	}
	m.pods = slices.DeleteFunc(m.pods, func(p container.Pod) bool { return p.Config.ID == id })
	maps.DeleteFunc(m.reserved, func(_, owner string) bool { return owner == id })
	return got, nil
}

func changePodStep(r *rand.Rand, tx store.UpdateTx, m *model) (got, want error) {
	p := m.pod(anyID(r))
	if p == nil {
		return tx.PodWriter().SetState(id(modelIDs), container.PodState{}), errdefs.ErrNotFound
	}
	p.Config.Hostname = fmt.Sprint("h", r.IntN(10))
	if err := tx.PodWriter().RewriteConfig(p.Config); err != nil {
		return err, nil
	}
	p.State.Infra = anyID(r)
	return tx.PodWriter().SetState(p.Config.ID, p.State), nil
}

func addToPodStep(r *rand.Rand, tx store.UpdateTx, m *model) (got, want error) {
	pod, c := anyID(r), anyContainer(r)
	if len(m.pods) > 0 && r.IntN(4) > 0 {
		pod = m.pods[r.IntN(len(m.pods))].Config.ID
		if in := m.members(pod); len(in) > 0 && c.Config.Dependencies != nil {
			c.Config.Dependencies = []string{in[r.IntN(len(in))]}
		}
	}
	c.Config.Pod = pod
	got = tx.PodWriter().AddContainer(pod, c)
	if m.pod(pod) == nil {
		return got, errdefs.ErrNotFound
	}
	return got, m.add(c)
}

func removeFromPodStep(r *rand.Rand, tx store.UpdateTx, m *model) (got, want error) {
	pod, id := anyID(r), anyID(r)
	if c := m.container(id); c != nil && c.Config.Pod != "" && r.IntN(4) > 0 {
		pod = c.Config.Pod
	}
	got = tx.PodWriter().RemoveContainer(pod, id)
	switch c := m.container(id); {
	case m.pod(pod) == nil || c == nil:
		return got, errdefs.ErrNotFound
	case c.Config.Pod != pod:
		return got, errdefs.ErrInvalidArgument
	}
	if want = m.mayGo(id); want == nil {
		m.drop(id)
	}
	return got, want
}

func removeAllOfPodStep(r *rand.Rand, tx store.UpdateTx, m *model) (got, want error) {
	pod := anyID(r)
	got = tx.PodWriter().RemoveContainers(pod)
	if m.pod(pod) == nil {
		return got, errdefs.ErrNotFound
	}
	for _, id := range m.members(pod) {
		m.drop(id)
	}
	return got, nil
}

func putExecStep(r *rand.Rand, tx store.UpdateTx, m *model) (got, want error) {
	s := session(100+r.IntN(4), r.IntN(modelIDs))
	got = tx.ExecWriter().Put(s)
	if m.container(s.Container) == nil {
		return got, errdefs.ErrNotFound
	}
	if of, ok := m.execs[s.ID]; ok && of != s.Container {
		return got, errdefs.ErrConflict
	}
	m.execs[s.ID] = s.Container
	return got, nil
}

func removeExecStep(r *rand.Rand, tx store.UpdateTx, m *model) (got, want error) {
	if r.IntN(2) == 0 {
		of := anyID(r)
		maps.DeleteFunc(m.execs, func(_, c string) bool { return c == of })
		return tx.ExecWriter().RemoveOf(of), nil
	}
	n := id(100 + r.IntN(4))
	delete(m.execs, n)
	return tx.ExecWriter().Remove(n), nil
}

func addVolumeStep(r *rand.Rand, tx store.UpdateTx, m *model) (got, want error) {
	name := anyName(r)
	if m.volumes[name] {
		want = errdefs.ErrAlreadyExists
	}
	m.volumes[name] = true
	return tx.VolumeWriter().Add(vol(name)), want
}

func removeVolumeStep(r *rand.Rand, tx store.UpdateTx, m *model) (got, want error) {
	name := anyName(r)
	got = tx.VolumeWriter().Remove(name)
	switch {
	case !m.volumes[name]:
		return got, errdefs.ErrNotFound
	case len(m.users(name)) > 0:
		return got, errdefs.ErrConflict
	}
	delete(m.volumes, name)
	return got, nil
}

func reserveStep(r *rand.Rand, tx store.UpdateTx, m *model) (got, want error) {
	name, id := anyName(r), anyID(r)
	got = tx.NameWriter().Reserve(name, id)
	switch owner := m.owner(name); {
	case owner == "":
		m.reserved[name] = id
	case owner != id:
		want = errdefs.ErrAlreadyExists
	}
	return got, want
}

func releaseStep(r *rand.Rand, tx store.UpdateTx, m *model) (got, want error) {
	name := anyName(r)
	got = tx.NameWriter().Release(name)
	if m.owner(name) != m.reserved[name] {
		return got, errdefs.ErrConflict
	}
	delete(m.reserved, name)
	return got, nil
}

func appendStep(_ *rand.Rand, tx store.UpdateTx, m *model) (got, want error) {
	m.events++
	return tx.Writer().Append(happened(int(m.events), event.Start)), nil
}

// refreshStep is rare, since little is left after it. The states are taken from the store: what they become is a rule of its own.
func refreshStep(r *rand.Rand, tx store.UpdateTx, m *model) (got, want error) {
	if r.IntN(10) > 0 {
		return nil, nil
	}
	m.boot = fmt.Sprint("boot", r.IntN(1000))
	got = tx.Writer().Refresh(m.boot)
	clear(m.execs)
	for i := range m.containers {
		c, err := tx.Containers().Container(m.containers[i].Config.ID)
		if err != nil {
			return err, nil
		}
		m.containers[i].State = c.State
	}
	return got, nil
}
