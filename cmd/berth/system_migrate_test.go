package main

import (
	"strings"
	"testing"

	"github.com/berth-engine/berth/engine"
)

func TestSystemMigrateSaysWhatTheDatabaseIsNow(t *testing.T) {
	t.Setenv("BERTH_DB_BACKEND", "")
	s := &services{System: &fakeSystem{migration: engine.MigrateReport{Path: "/r/berth.db", Converted: true}}}
	mustPrint(t, s, "/r/berth.db is a bolt database now.\n", "system", "migrate", "--db-backend", "bolt")
	mustPrint(t, s, "/r/berth.db is a sqlite database now.\n", "--db-backend", "sqlite", "system", "migrate")
	s = &services{System: &fakeSystem{migration: engine.MigrateReport{Path: "/r/berth.db", Configured: "sqlite"}}}
	got := berthWith(t, s, strings.NewReader(""), "system", "migrate", "--db-backend", "bolt")
	if got.code != 0 || got.out != "/r/berth.db is a bolt database already.\n" || !strings.Contains(got.err, `database_backend = "sqlite"`) {
		t.Errorf("expected a word about containers.conf, got %+v", got)
	}
	mustFail(t, s, exitEngine, "--db-backend bolt", "system", "migrate")
}
