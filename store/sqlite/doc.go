// Package sqlite is the default back end of package store: one SQLite database that any number of processes share.
//
// # Files
//
// Beside the database FILE lie, all 0600:
//
//	FILE-wal, FILE-shm   SQLite's own: the write-ahead log and its index
//	FILE-lock            byte 0: held by the one who writes; byte 1: shared by all who have the database open
//
// Writers queue in the kernel on byte 0 (open-file-description locks, fcntl(2)), so that they are served without polling and
// none starves; the lock of a writer that dies is free at once. Only a foreign writer (a person with the sqlite3 shell, who
// knows nothing of FILE-lock) makes one retry, with jitter and for at most thirty seconds. Readers wait for nobody. After each
// commit a byte is written to FILE-lock, which is what Watch sees (inotify(7)): when it is written the commit can be read,
// which is not so for writes to the log. A writer killed in between closes the file, which Watch sees as well.
//
// # Durability
//
// The log is synced at a Synced commit and not at a Volatile one (PRAGMA synchronous FULL and NORMAL). Checkpoints, which
// sync the log and the database, are kept off the commits: a Store that stays open makes them in the background, one that is
// closed when the log has become long, and Checkpoint is for processes that nobody waits for. SQLite makes none of its own,
// neither in a commit nor when the last process closes the database: that would cost each short-lived process several syncs.
// A process that is killed leaves a log that the next one reads.
//
// No other code of a process may open and close FILE, FILE-wal or FILE-shm: closing any descriptor of a file drops all of the
// process's POSIX locks on it (fcntl(2)), which SQLite relies on.
//
// # Schema
//
// Records are JSON, the columns beside them what they are looked up by. Its version is PRAGMA user_version; migrations in
// schema.go lead forward from each one, and a newer one is refused.
//
//	meta        key → value: "paths" (store.Paths, JSON), "boot" (boot ID), "events" (last event's number before a full prune),
//	            "checkpoint" (time of the last)
//	object      id → name, kind, namespace, pod: the names and IDs of containers and pods, both unique
//	reservation name → id, reserved (ns since 1970): names that an ID has beside its own
//	container   seq → id, namespace, pod, image (its ID), config (JSON); seq counts up in order of creation
//	state       seq → status, state (JSON); apart, so that a change of state writes little
//	pod         seq → id, namespace, config, state (JSON)
//	dependency  (needed, id): container id depends on container needed
//	volume      seq → name, volume (JSON)
//	volume_use  (volume, id): container id mounts the volume
//	network_use (network, id): container id is connected to the network
//	exec        seq → id, container (its ID), session (JSON)
//	exit_code   id → namespace, code, recorded, removed (times in ns since 1970; removed is 0 while the container exists)
//	event       seq → time (ns since 1970), event (JSON)
package sqlite
