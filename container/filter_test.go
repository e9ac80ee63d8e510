package container

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/berth-engine/berth/errdefs"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// web is a container with something for every filter.
func web() *Container {
	return &Container{
		Config: Config{
			ID: "abcdef0123456789", Name: "web", Created: noon, Pod: "feed01",
			Image: Image{
				ID: "0123456789ab", Name: "docker.io/library/nginx:1.25", RawName: "nginx:1.25",
			},
			Process: Process{Entrypoint: []string{"/entry.sh"}, Command: []string{"nginx"}},
			Labels:  map[string]string{"tier": "front", "env": "prod"},
			Mounts: []Mount{
				{Type: Volume, Source: "data", Destination: "/data"}, {Type: Bind, Source: "/srv", Destination: "/www"},
				{Type: Tmpfs, Destination: "/tmp"},
			},
			Network: Network{Namespace: Namespace{FromContainer, "beef"}},
			Restart: RestartPolicy{Name: RestartAlways},
		},
		State: State{Status: Running, Health: &HealthResult{Status: "healthy"}},
	}
}

func TestFiltersSelectByTheRecord(t *testing.T) {
	context := FilterContext{
		PodName: "pod1",
		Created: map[string]time.Time{"old": noon.Add(-time.Hour), "new": noon.Add(time.Hour), "itself": noon},
		Images:  map[string][]string{"base": {"ffff", "0123456789ab"}, "other": {"ffff"}},
	}
	type filter = map[string][]string
	tests := []struct {
		filter filter
		want   bool
	}{
		{nil, true}, {filter{"name": nil}, true},
		{filter{"id": {"abc"}}, true}, {filter{"id": {"^def"}}, false}, {filter{"id": {"nope", "^abcdef"}}, true},
		{filter{"name": {"we"}}, true}, {filter{"name": {"^web$"}}, true}, {filter{"name": {"^/web$"}}, true}, {filter{"name": {"^eb"}}, false},
		{filter{"label": {"tier"}}, true}, {filter{"label": {"tier=front", "env=prod"}}, true}, {filter{"label": {"tier=front", "env=test"}}, false},
		{filter{"label": {"tier="}}, false}, {filter{"label!": {"tier"}}, false}, {filter{"label!": {"tier=back"}}, true}, {filter{"label!": {"x", "env"}}, false},
		{filter{"status": {"running"}}, true}, {filter{"status": {"exited", "running"}}, true}, {filter{"status": {"exited"}}, false}, {filter{"status": {"dead"}}, false},
		{filter{"exited": {"0"}}, false},
		{filter{"ancestor": {"base"}}, true}, {filter{"ancestor": {"other"}}, false}, {filter{"ancestor": {"nginx"}}, true}, {filter{"ancestor": {"nginx:1.25"}}, true},
		{filter{"ancestor": {"library/nginx"}}, true}, {filter{"ancestor": {"docker.io/library/nginx:1.25"}}, true}, {filter{"ancestor": {"inx"}}, false},
		{filter{"ancestor": {"0123"}}, true}, {filter{"ancestor": {"sha256:0123"}}, true}, {filter{"ancestor": {"01"}}, false}, {filter{"ancestor": {""}}, false},
		{filter{"ancestor": {"nginx:1.26"}}, false},
		{filter{"before": {"new"}}, true}, {filter{"before": {"old"}}, false}, {filter{"before": {"itself"}}, false}, {filter{"before": {"unheard"}}, false},
		{filter{"since": {"old"}}, true}, {filter{"since": {"new"}}, false}, {filter{"since": {"itself"}}, false}, {filter{"since": {"unheard"}}, false},
		{filter{"volume": {"data"}}, true}, {filter{"volume": {"/data"}}, true}, {filter{"volume": {"/srv"}}, true}, {filter{"volume": {"/tmp"}}, false},
		{filter{"network": {"container"}}, true}, {filter{"network": {"container:beef"}}, true}, {filter{"network": {"none"}}, false},
		{filter{"health": {"healthy"}}, true}, {filter{"health": {"none"}}, false},
		{filter{"restart-policy": {"always"}}, true}, {filter{"restart-policy": {"no"}}, false},
		{filter{"until": {"2026-05-04T13:00:00Z"}}, true}, {filter{"until": {"2026-05-04T12:00:00Z"}}, false}, {filter{"until": {"1h"}}, true}, {filter{"until": {"10h"}}, false},
		{filter{"command": {"entry"}}, true}, {filter{"command": {"^nginx"}}, false},
		{filter{"pod": {"feed"}}, true}, {filter{"pod": {"pod1"}}, true}, {filter{"pod": {"pod2"}}, false}, {filter{"pod": {""}}, false},
		{filter{"name": {"web"}, "status": {"exited"}}, false}, {filter{"name": {"web"}, "status": {"running"}, "label": {"env"}}, true},
	}
	for _, test := range tests {
		f, err := ParseFilters(test.filter, noon.Add(2*time.Hour))
		if err != nil {
			t.Errorf("%v: %v", test.filter, err)
			continue
		}
		if got := f.Match(web(), context); got != test.want {
			t.Errorf("%v: got %v, want %v", test.filter, got, test.want)
		}
	}
}

func TestStatusFiltersTakeDockersAndPodmansWords(t *testing.T) {
	want := map[Status][]string{
		Created:     {"created", "configured"},
		Initialized: {"created", "initialized"},
		Running:     {"running"},
		Paused:      {"paused"},
		Stopping:    {"running", "stopping"},
		Stopped:     {"exited", "stopped"},
		Exited:      {"exited"},
		Restarting:  {"restarting"},
		Removing:    {"removing"},
	}
	for status, words := range want {
		for _, word := range statusWords {
			f, err := ParseFilters(map[string][]string{"status": {word}}, noon)
			if err != nil {
				t.Fatal(err)
			}
			// The context's status is the true one, whatever the record says.
			if got := f.Match(web(), FilterContext{Status: status}); got != slices.Contains(words, word) {
				t.Errorf("status=%s of a container that is %s: got %v", word, status, got)
			}
		}
	}
}

func TestExitedSelectsByCodeOfContainersThatEnded(t *testing.T) {
	f, err := ParseFilters(map[string][]string{"exited": {"1", "137"}}, noon)
	if err != nil {
		t.Fatal(err)
	}
	for code, want := range map[int]bool{0: false, 1: true, 137: true} {
		c := web()
		c.State = State{Status: Exited, ExitCode: code}
		if got := f.Match(c, FilterContext{}); got != want {
			t.Errorf("exit code %d: got %v, want %v", code, got, want)
		}
		if f.Match(c, FilterContext{Status: Running}) {
			t.Errorf("exit code %d: a running container was selected", code)
		}
	}
}

func TestDefaultsOfARecordAreFiltered(t *testing.T) {
	for key, value := range map[string]string{"network": "none", "health": "none", "restart-policy": "no"} {
		f, err := ParseFilters(map[string][]string{key: {value}}, noon)
		if err != nil {
			t.Fatal(err)
		}
		if !f.Match(&Container{}, FilterContext{}) {
			t.Errorf("%s=%s does not select a container without one", key, value)
		}
	}
}

func TestBadFiltersAreRefused(t *testing.T) {
	for key, value := range map[string]string{
		"nonsense": "x", "id": "[", "name": "(", "command": "*", "status": "sleeping", "exited": "x", "health": "fine", "restart-policy": "maybe", "until": "soon",
	} {
		if _, err := ParseFilters(map[string][]string{key: {value}}, noon); !errors.Is(err, errdefs.ErrInvalidArgument) {
			t.Errorf("%s=%s: got %v, want an invalid argument", key, value, err)
		}
	}
	if _, err := ParseFilters(map[string][]string{"until": {"1h", "2h"}}, noon); !errors.Is(err, errdefs.ErrInvalidArgument) {
		t.Errorf("until twice: got %v, want an invalid argument", err)
	}
}

func TestAFilterSaysWhatItHasToBeTold(t *testing.T) {
	f, err := ParseFilters(map[string][]string{"before": {"a"}, "since": {"b"}, "ancestor": {"c"}, "exited": {"0"}}, noon)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := f.References(), []string{"a", "b"}; !slices.Equal(got, want) {
		t.Errorf("references: got %v, want %v", got, want)
	}
	if got, want := f.Ancestors(), []string{"c"}; !slices.Equal(got, want) {
		t.Errorf("ancestors: got %v, want %v", got, want)
	}
	if !f.SelectsStatus() {
		t.Error("exited=0 selects by status, and SelectsStatus is false")
	}
}
