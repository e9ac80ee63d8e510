package sqlite

// applicationID marks the file as Berth's (PRAGMA application_id): "BRTH".
const applicationID = 0x42525448

// migrations[v] leads from version v to v+1; their number is the version that this program writes. One that was released is
// never changed.
var migrations = []string{
	`CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
	CREATE TABLE object (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL) WITHOUT ROWID;
	CREATE TABLE container (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, namespace TEXT NOT NULL, pod TEXT NOT NULL,
		image TEXT NOT NULL, config TEXT NOT NULL);
	CREATE INDEX container_image ON container (image) WHERE image != '';
	CREATE INDEX container_pod ON container (pod) WHERE pod != '';
	CREATE TABLE state (seq INTEGER PRIMARY KEY, status TEXT NOT NULL, state TEXT NOT NULL);
	CREATE INDEX state_alive ON state (seq) WHERE status NOT IN ('created', 'exited');
	CREATE TABLE dependency (needed TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (needed, id)) WITHOUT ROWID;
	CREATE TABLE volume (seq INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, volume TEXT NOT NULL);
	CREATE TABLE volume_use (volume TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (volume, id)) WITHOUT ROWID;
	CREATE TABLE exec (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, container TEXT NOT NULL, session TEXT NOT NULL);
	CREATE INDEX exec_container ON exec (container);
	CREATE TABLE exit_code (id TEXT PRIMARY KEY, namespace TEXT NOT NULL, code INTEGER NOT NULL, recorded INTEGER NOT NULL,
		removed INTEGER NOT NULL) WITHOUT ROWID;
	CREATE TABLE event (seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, event TEXT NOT NULL);`,

	// Pods, networks and reserved names.
	`ALTER TABLE object ADD COLUMN namespace TEXT NOT NULL DEFAULT '';
	ALTER TABLE object ADD COLUMN pod TEXT NOT NULL DEFAULT '';
	UPDATE object SET namespace = (SELECT c.namespace FROM container c WHERE c.id = object.id),
		pod = (SELECT c.pod FROM container c WHERE c.id = object.id) WHERE kind = 'container';
	CREATE TABLE pod (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, namespace TEXT NOT NULL, config TEXT NOT NULL,
		state TEXT NOT NULL);
	CREATE TABLE network_use (network TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (network, id)) WITHOUT ROWID;
	CREATE TABLE reservation (name TEXT PRIMARY KEY, id TEXT NOT NULL, reserved INTEGER NOT NULL) WITHOUT ROWID;`,
}

// versionPods is the first version that has pods, networks and reserved names.
const versionPods = 2

// The keys of meta beside the contract's.
const (
	keyEvents     = "events"
	keyCheckpoint = "checkpoint"
)

// migrate brings an open database to the newest version, in one transaction. The caller holds the writers' lock.
func (c *conn) migrate(from int) error {
	if err := c.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	for _, m := range migrations[from:] {
		if err := c.script(m); err != nil {
			return c.rollback(err)
		}
	}
	if err := c.pragma("user_version", int64(len(migrations))); err != nil {
		return c.rollback(err)
	}
	return c.exec("COMMIT")
}

// setMeta sets a value of the table meta.
func (c *conn) setMeta(key, value string) error {
	return c.exec("INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", key, value)
}
