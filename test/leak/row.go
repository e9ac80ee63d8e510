package leak

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"go.etcd.io/bbolt"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// keptTables matches the tables whose rows outlive the containers on purpose: events, exit codes (five minutes), and what the
// database says of itself.
var keptTables = regexp.MustCompile(`^(sqlite_.*|event|exit_code|meta)$`)

// findRows returns the rows that containers, exec sessions and volumes have in the databases of the state directory, and
// collects every ID that any table tells of. It knows no schema: a new table is checked without a change here.
func findRows(s Scope, ids map[string]bool) ([]Leak, error) {
	var leaks []Leak
	entries, err := os.ReadDir(s.Root)
	if err != nil && !gone(err) {
		return nil, err
	}
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".db" {
			continue
		}
		rows, err := readDatabase(filepath.Join(s.Root, e.Name()), ids)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name(), err)
		}
		leaks = append(leaks, rows...)
	}
	return leaks, nil
}

func readDatabase(file string, ids map[string]bool) ([]Leak, error) {
	head := make([]byte, 20)
	if f, err := os.Open(file); err == nil {
		_, _ = f.Read(head)
		f.Close()
	}
	if !bytes.HasPrefix(head, []byte("SQLite format 3")) {
		return readBolt(file, ids)
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath()+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	tables, err := column(db, `SELECT name FROM sqlite_schema WHERE type = 'table'`)
	if err != nil {
		return nil, err
	}
	var leaks []Leak
	for _, table := range tables {
		keys, err := scan(db, table, ids)
		if err != nil {
			return nil, err
		}
		if keptTables.MatchString(table) {
			continue
		}
		for _, key := range keys {
			leaks = append(leaks, Leak{Row, table + " " + key, filepath.Base(file)})
		}
	}
	return leaks, nil
}

// readBolt does the same for a bbolt file, whose buckets are the tables. It reads a copy.
func readBolt(file string, ids map[string]bool) ([]Leak, error) {
	copied, err := copyOf(file)
	if err != nil {
		return nil, err
	}
	defer os.Remove(copied)
	db, err := bbolt.Open(copied, 0o600, &bbolt.Options{ReadOnly: true})
	if err != nil {
		return nil, nil // a test's damaged database, or another format
	}
	defer db.Close()
	var leaks []Leak
	err = db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
			return b.ForEach(func(k, v []byte) error {
				for _, id := range anID.FindAllString(string(k)+" "+string(v), -1) {
					ids[id] = true
				}
				if !keptTables.Match(name) {
					leaks = append(leaks, Leak{Row, fmt.Sprintf("%s %q", name, k), filepath.Base(file)})
				}
				return nil
			})
		})
	})
	return leaks, err
}

func copyOf(file string) (string, error) {
	to, err := os.CreateTemp("", "leak-")
	if err != nil {
		return "", err
	}
	defer to.Close()
	from, err := os.Open(file)
	if err != nil {
		return "", errors.Join(err, os.Remove(to.Name()))
	}
	defer from.Close()
	_, err = io.Copy(to, from)
	return to.Name(), err
}

// scan returns the first column of every row of a table, and collects the IDs found in any column.
func scan(db *sql.DB, table string, ids map[string]bool) ([]string, error) {
	rows, err := db.Query(`SELECT * FROM "` + strings.ReplaceAll(table, `"`, `""`) + `"`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var keys []string
	for rows.Next() {
		values := make([]sql.RawBytes, len(names))
		into := make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		for _, v := range values {
			for _, id := range anID.FindAllString(string(v), -1) {
				ids[id] = true
			}
		}
		keys = append(keys, string(values[0]))
	}
	return keys, rows.Err()
}

func column(db *sql.DB, query string) ([]string, error) {
	rows, err := db.Query(query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}
