package verb

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/berth-engine/berth/test/sandbox"
)

// health is a container's health and how many checks in a row have failed.
func health(s *sandbox.Sandbox, name string) string {
	return s.OK("inspect", "-f", "{{.State.Health.Status}}", name)
}

func healthEvents(s *sandbox.Sandbox, name string) string {
	out := s.OK("events", "--since", "1h", "--stream=false", "--filter", "container="+name, "--filter", "event=health_status",
		"--format", "{{index .Attributes \"health_status\"}}")
	return strings.Join(strings.Fields(out), " ")
}

func TestHealthIsCheckedAtItsIntervalAndTold(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--name", "web", "--health-cmd", "echo looking; test -e /ok", "--health-interval", "200ms", "--health-retries", "2", bb, "sleep", "1000")
	if got := health(s, "web"); got != "starting" && got != "unhealthy" {
		t.Errorf("expected a container to begin as starting, got %s", got)
	}
	s.Eventually("web to be unhealthy", func() bool { return health(s, "web") == "unhealthy" })
	if out := s.OK("ps", "--format", "{{.Status}}"); !strings.Contains(out, "(unhealthy)") {
		t.Errorf("expected ps to tell the health, got %q", out)
	}
	s.OK("exec", "web", "touch", "/ok")
	s.Eventually("web to be healthy", func() bool { return health(s, "web") == "healthy" })
	sandbox.Equal(t, "events", healthEvents(s, "web"), "unhealthy healthy")
	var log []struct {
		Start, End, Output string
		ExitCode           int
	}
	if err := json.Unmarshal([]byte(s.OK("inspect", "-f", "{{json .State.Health.Log}}", "web")), &log); err != nil {
		t.Fatal(err)
	}
	if last := log[len(log)-1]; len(log) > 5 || last.ExitCode != 0 || last.Output != "looking\n" || last.Start == "" || last.End == "" {
		t.Errorf("expected at most five checks, the last a success with its output, got %+v", log)
	}
	sandbox.Equal(t, "events of the sessions", s.OK("events", "--since", "1h", "--stream=false", "--filter", "container=web", "--filter", "event=exec_died",
		"--format", "{{.Status}}"), "exec_died") // that of the touch alone
	s.OK("rm", "-f", "-t", "0", "web")
}

func TestACheckThatTakesTooLongIsKilledWithAllThatItHasStarted(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--name", "web", "--health-cmd", "sleep 1001 & sleep 1002", "--health-interval", "1h", "--health-timeout", "300ms", "--health-retries", "1", bb, "sleep", "1000")
	s.Fails(1, nil, "healthcheck", "run", "web")
	sandbox.Equal(t, "health", health(s, "web"), "unhealthy")
	if out := s.OK("inspect", "-f", "{{(index .State.Health.Log 0).ExitCode}} {{(index .State.Health.Log 0).Output}}", "web"); !strings.Contains(out, "-1 the health check took longer than 300ms") {
		t.Errorf("expected the check to have been cut off, got %q", out)
	}
	if out := s.OK("top", "web"); strings.Contains(out, "sleep 1001") || strings.Contains(out, "sleep 1002") {
		t.Errorf("expected nothing of the check to run any more, got\n%s", out)
	}
	s.OK("rm", "-f", "-t", "0", "web")
}

func TestAnUnhealthyContainerIsDealtWithAsItWants(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	for _, c := range []struct{ action, status string }{{"kill", "exited"}, {"stop", "exited"}, {"none", "running"}} {
		s.OK("run", "-d", "--name", c.action, "--stop-timeout", "0", "--health-cmd", "false", "--health-interval", "200ms", "--health-retries", "2", "--health-on-failure", c.action,
			bb, "sleep", "1000")
		s.Eventually(c.action+": "+c.status, func() bool {
			return strings.Contains(healthEvents(s, c.action), "unhealthy") && s.OK("inspect", "-f", "{{.State.Status}}", c.action) == c.status
		})
	}
	s.OK("run", "-d", "--name", "restart", "--stop-timeout", "0", "--health-cmd", "test -e /ok", "--health-interval", "200ms", "--health-retries", "1", "--health-on-failure", "restart",
		bb, "sh", "-c", "if [ -e /once ]; then touch /ok; fi; touch /once; sleep 1000")
	s.Eventually("a restarted container that is healthy", func() bool { return health(s, "restart") == "healthy" })
	s.OK("rm", "-f", "-a", "-t", "0")
}

func TestAPausedContainerIsNotChecked(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--name", "web", "--health-cmd", "true", "--health-interval", "100ms", bb, "sleep", "1000")
	s.Eventually("web to be healthy", func() bool { return health(s, "web") == "healthy" })
	s.OK("pause", "web")
	log := func() string { return s.OK("inspect", "-f", "{{json .State.Health.Log}}", "web") }
	var before string
	s.Eventually("the check under way to be over", func() bool {
		last := before
		before = log()
		time.Sleep(300 * time.Millisecond)
		return last == before
	})
	sandbox.Equal(t, "health", health(s, "web"), "healthy")
	s.Fails(125, []string{"paused"}, "healthcheck", "run", "web")
	s.OK("unpause", "web")
	s.Eventually("checks to go on", func() bool { return log() != before })
	s.OK("rm", "-f", "-t", "0", "web")
}

func TestHealthcheckRunTellsByItsExitCode(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--name", "web", "--health-cmd", "test -e /ok", "--health-interval", "1h", "--health-retries", "2", bb, "sleep", "1000")
	sandbox.Equal(t, "first failure", s.Fails(1, nil, "healthcheck", "run", "web").Stdout, "starting\n")
	sandbox.Equal(t, "second failure", s.Fails(1, nil, "healthcheck", "run", "web").Stdout, "unhealthy\n")
	s.OK("exec", "web", "touch", "/ok")
	sandbox.Equal(t, "success", s.OK("healthcheck", "run", "web"), "")
	s.OK("create", "--name", "off", "--health-cmd", "true", bb, "true")
	s.Fails(125, []string{"off", "not running"}, "healthcheck", "run", "off")
	s.OK("run", "-d", "--name", "none", "--no-healthcheck", bb, "sleep", "1000")
	s.Fails(125, []string{"none", "no health check"}, "healthcheck", "run", "none")
	s.Fails(125, []string{"nosuch"}, "healthcheck", "run", "nosuch")
	s.OK("run", "-d", "--name", "broken", "--health-cmd", `["CMD", "/no/such/program"]`, "--health-interval", "1h", "--health-retries", "1", bb, "sleep", "1000")
	sandbox.Equal(t, "a command that is not there", s.Fails(1, nil, "healthcheck", "run", "broken").Stdout, "unhealthy\n")
	s.OK("rm", "-f", "-a", "-t", "0")
}
