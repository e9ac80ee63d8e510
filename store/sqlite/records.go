package sqlite

import (
	"encoding/json"
	"fmt"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/store/internal/rules"
)

// encode makes the JSON of a record.
func encode(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, errdefs.Internal("a record cannot be encoded: %w", err)
	}
	return b, nil
}

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

// stateRecord is a container's state as it is stored.
type stateRecord struct {
	status string
	json   []byte
}

func encodeState(s container.State) (stateRecord, error) {
	b, err := encode(s)
	return stateRecord{string(s.Status), b}, err
}

func (c *conn) decodeState(r row, column int) (s container.State, err error) {
	err = c.decode(r, column, &s)
	return s, err
}
