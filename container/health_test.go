package container

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestHealthFollowsTheChecks(t *testing.T) {
	started := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	h := &Health{Test: []string{"CMD", "x"}, Retries: 3, StartPeriod: 10 * time.Second}
	for _, c := range []struct {
		name   string
		checks string // a check's exit code every four seconds
		want   string
	}{
		{"the first success is healthy", "0", "healthy/0"},
		{"within the start period failures do not count", "111", "starting/0"},
		{"after it they do", "11111", "starting/2"},
		{"as many as there are retries are unhealthy", "111111", "unhealthy/3"},
		{"and more", "1111111", "unhealthy/4"},
		{"one success is enough", "11111110", "healthy/0"},
		{"who was healthy within the start period has started", "0111", "unhealthy/3"},
		{"a failure or two do not make unhealthy", "00011", "healthy/2"},
		{"what could not be run has failed", "000---", "unhealthy/3"},
	} {
		var r *HealthResult
		for i, digit := range c.checks {
			check := HealthCheck{Start: started.Add(time.Duration(i) * 4 * time.Second), ExitCode: int(digit - '0')}
			r = r.After(check, h, started)
		}
		if got := fmt.Sprintf("%s/%d", r.Status, r.FailingStreak); got != c.want {
			t.Errorf("%s: expected %s, got %s", c.name, c.want, got)
		}
	}
}

func TestTheLastChecksAreKeptAndEarlierResultsStayWhatTheyWere(t *testing.T) {
	h := &Health{Test: []string{"CMD", "x"}}
	var r *HealthResult
	var results []*HealthResult
	for i := range 12 {
		r = r.After(HealthCheck{ExitCode: i}, h, time.Time{})
		results = append(results, r)
	}
	for i, r := range results {
		var got, want []int
		for _, c := range r.Log {
			got = append(got, c.ExitCode)
		}
		for n := max(0, i-HealthLogLength+1); n <= i; n++ {
			want = append(want, n)
		}
		if !slices.Equal(got, want) {
			t.Errorf("after %d checks: expected %v, got %v", i+1, want, got)
		}
	}
}

func TestTheCommandOfACheckIsThatOfItsForm(t *testing.T) {
	for _, c := range []struct {
		test []string
		want string // empty for none
	}{
		{nil, ""}, {[]string{"NONE"}, ""}, {[]string{""}, ""}, {[]string{"CMD", "a", "b c"}, "a|b c"}, {[]string{"CMD-SHELL", "a b"}, "/bin/sh|-c|a b"},
		{[]string{"a", "b"}, "a|b"},
	} {
		h := &Health{Test: c.test}
		got := ""
		if h.Checks() {
			got = strings.Join(h.Command(), "|")
		}
		if got != c.want {
			t.Errorf("%q: expected %q, got %q", c.test, c.want, got)
		}
	}
	if (*Health)(nil).Checks() {
		t.Error("expected no check of a container without one")
	}
}
