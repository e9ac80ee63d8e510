package event

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/berth-engine/berth/errdefs"
)

const (
	webID   = "4b53e0a1c0ffee00000000000000000000000000000000000000000000000000"
	imageID = "9c0abc9c5bd3a7854141800ba1f4a227baa88b11b49d8207eadc483c3f2496de"
)

// The events that the table's filters select from.
var (
	webDied = Event{Type: Container, Action: Died, ID: webID, Name: "web", Image: "docker.io/library/nginx:1.27",
		Attributes: map[string]string{"app": "shop", "tier": "front", "empty": ""}}
	webExec    = Event{Type: Container, Action: Exec, ID: webID, Name: "web", Image: "docker.io/library/nginx:1.27"}
	web2Remove = Event{Type: Container, Action: Remove, ID: "5c" + webID[2:], Name: "web2", Image: "registry.example:5000/nginx",
		Attributes: map[string]string{"app": "other", "tier": "front"}}
	pulled      = Event{Type: Image, Action: Pull, ID: imageID, Name: "docker.io/library/nginx:1.27"}
	volRemove   = Event{Type: Volume, Action: Remove, ID: "web", Name: "web"}
	healthy     = Event{Type: Container, Action: HealthStat, ID: webID, Name: "web"}
	refreshed   = Event{Type: System, Action: Refresh}
	everyEvent  = []Event{webDied, webExec, web2Remove, pulled, volRemove, healthy, refreshed}
	eventLabels = []string{"webDied", "webExec", "web2Remove", "pulled", "volRemove", "healthy", "refreshed"}
)

func TestFiltersSelectWhatDockerAndPodmanSay(t *testing.T) {
	type f = map[string][]string
	for _, c := range []struct {
		name   string
		filter f
		want   string
	}{
		{"no filter selects all", nil, "webDied webExec web2Remove pulled volRemove healthy refreshed"},
		{"a key without values selects all", f{"event": {}}, "webDied webExec web2Remove pulled volRemove healthy refreshed"},
		{"container by name, wholly, and of this type only", f{"container": {"web"}}, "webDied webExec healthy"},
		{"container by the beginning of its ID", f{"container": {webID[:6]}}, "webDied webExec healthy"},
		{"one of several values", f{"container": {"web", "web2"}}, "webDied webExec web2Remove healthy"},
		{"all of several keys", f{"container": {"web"}, "event": {"died"}}, "webDied"},
		{"podman's word", f{"event": {"died"}}, "webDied"},
		{"Docker's word", f{"event": {"die"}}, "webDied"},
		{"the other key for it", f{"status": {"die"}}, "webDied"},
		{"destroy is remove", f{"event": {"destroy"}}, "web2Remove volRemove"},
		{"delete is remove", f{"event": {"delete"}, "type": {"image"}}, ""},
		{"exec_create is exec", f{"event": {"exec_create"}}, "webExec"},
		{"what follows the colon is no part of the action", f{"event": {"exec_start: sh", "health_status: healthy"}}, "webExec healthy"},
		{"an action that does not exist matches nothing", f{"event": {"resize"}}, ""},
		{"type", f{"type": {"image", "volume"}}, "pulled volRemove"},
		{"daemon is system", f{"type": {"daemon"}}, "refreshed"},
		{"a type of Docker's that does not occur here", f{"type": {"plugin"}}, ""},
		{"the scope that all have", f{"scope": {"local"}}, "webDied webExec web2Remove pulled volRemove healthy refreshed"},
		{"the scope that none has", f{"scope": {"swarm"}}, ""},
		{"keys for objects that do not occur here", f{"service": {"web"}}, ""},
		{"the daemon's, by a name that it does not have", f{"daemon": {"web"}}, ""},
		{"image by its short name, and its containers", f{"image": {"nginx"}}, "webDied webExec web2Remove pulled"},
		{"image by a longer name", f{"image": {"library/nginx"}}, "webDied webExec pulled"},
		{"image with its tag", f{"image": {"nginx:1.27"}}, "webDied webExec pulled"},
		{"image with another tag", f{"image": {"nginx:1.26"}}, ""},
		{"image with a port in its registry", f{"image": {"registry.example:5000/nginx"}}, "web2Remove"},
		{"a registry is no image", f{"image": {"registry.example"}}, ""},
		{"image by the beginning of its ID", f{"image": {imageID[:8]}}, "pulled"},
		{"image by its digest-like ID", f{"image": {"sha256:" + imageID}}, "pulled"},
		{"no ID at all", f{"image": {"sha256:"}}, ""},
		{"label there", f{"label": {"app"}}, "webDied web2Remove"},
		{"label with its value", f{"label": {"app=shop"}}, "webDied"},
		{"all labels", f{"label": {"app=shop", "tier=front"}}, "webDied"},
		{"all labels, one of which is not", f{"label": {"app=shop", "tier=back"}}, ""},
		{"an empty label value", f{"label": {"empty="}}, "webDied"},
		{"name of any type", f{"name": {"web"}}, "webDied webExec volRemove healthy"},
		{"ID of any type", f{"id": {"web"}}, "volRemove"},
		{"volume", f{"volume": {"we"}}, "volRemove"},
		{"pod", f{"pod": {"web"}}, ""},
		{"network", f{"network": {"web"}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			filter, err := ParseFilters(c.filter)
			if err != nil {
				t.Fatalf("ParseFilters(%v): expected no error, got: %v", c.filter, err)
			}
			var got []string
			for i, e := range everyEvent {
				if filter.Match(e) {
					got = append(got, eventLabels[i])
				}
			}
			if s := strings.Join(got, " "); s != c.want {
				t.Errorf("%v: expected %q, got %q", c.filter, c.want, s)
			}
		})
	}
}

func TestWrongFiltersAreRefused(t *testing.T) {
	for _, c := range []struct{ key, value, mention string }{
		{"colour", "red", "container"},
		{"type", "contianer", "contianer"},
		{"container", "", "container=VALUE"},
		{"label", "", "label=VALUE"},
	} {
		_, err := ParseFilters(map[string][]string{c.key: {c.value}})
		if !errors.Is(err, errdefs.ErrInvalidArgument) || !errors.Is(errdefs.Class(err), errdefs.ErrInvalidArgument) {
			t.Errorf("%s=%s: expected an invalid argument, got: %v", c.key, c.value, err)
		} else if !strings.Contains(err.Error(), c.mention) {
			t.Errorf("%s=%s: expected a message with %q, got: %v", c.key, c.value, c.mention, err)
		}
	}
}

func TestDockersWordsSelectWhatTheyNameAndComeBack(t *testing.T) {
	for _, c := range []struct {
		a    Action
		t    Type
		want string
	}{
		{Died, Container, "die"}, {Remove, Container, "destroy"}, {Remove, Image, "delete"}, {Remove, Volume, "destroy"},
		{Exec, Container, "exec_start"}, {ExecDied, Container, "exec_die"}, {LoadImage, Image, "load"}, {Start, Container, "start"},
		{HealthStat, Container, "health_status"},
	} {
		if got := c.a.Docker(c.t); got != c.want {
			t.Errorf("%s of %s in Docker's word: expected %q, got %q", c.a, c.t, c.want, got)
		}
		f, err := ParseFilters(map[string][]string{"event": {c.want}})
		if err != nil || !f.Match(Event{Type: c.t, Action: c.a}) {
			t.Errorf("event=%s: expected it to select %s (error %v)", c.want, c.a, err)
		}
	}
	if got := System.Docker(); got != "daemon" {
		t.Errorf("system in Docker's word: expected daemon, got %s", got)
	}
}

func FuzzFilters(f *testing.F) {
	f.Add("container", "web")
	f.Add("image", "docker.io/library/nginx@sha256:00")
	f.Add("label", "=")
	f.Fuzz(func(t *testing.T, key, value string) {
		filter, err := ParseFilters(map[string][]string{key: {value}})
		if err != nil {
			if !errors.Is(err, errdefs.ErrInvalidArgument) {
				t.Fatalf("expected an invalid argument, got: %v", err)
			}
			return
		}
		for _, e := range everyEvent {
			filter.Match(e)
		}
		if key == "name" && utf8.ValidString(value) && !filter.Match(Event{Name: value}) {
			t.Fatalf("name=%q does not match its own name", value)
		}
	})
}
