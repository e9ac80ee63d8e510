package sqlite

import (
	"encoding/json"
	"fmt"

	"github.com/berth-engine/berth/store/internal/rules"
)

// decode reads a record from a column.
func (c *conn) decode(r row, column int, into any) error {
	return c.decodeBytes(columnBytes(r, column), into)
}

func (c *conn) decodeBytes(b []byte, into any) error {
	if err := json.Unmarshal(b, into); err != nil {
		return rules.Damaged(c.path, fmt.Sprintf("a record cannot be read: %v", err))
	}
	return nil
}

// columnBytes returns a copy of a column.
func columnBytes(r row, column int) []byte {
	b := make([]byte, r.ColumnLen(column))
	r.ColumnBytes(column, b)
	return b
}
