package monitored

import (
	"strconv"
	"strings"
	"time"
)

// zoneChanges is how many changes of the clock a monitor is told ahead: six years of summer time.
const zoneChanges = 12

// zone describes local time for a monitor, which does not read time zone files: the offset from UTC in seconds now, and the
// changes to come, as in "3600,1774746000:7200,1792890000:3600".
func zone() string { return zoneFrom(time.Now()) }

func zoneFrom(t time.Time) string {
	var b strings.Builder
	_, offset := t.Zone()
	b.WriteString(strconv.Itoa(offset))
	for i := 0; i < zoneChanges; i++ {
		_, end := t.ZoneBounds()
		if end.IsZero() {
			break
		}
		t = end
		_, offset = t.Zone()
		b.WriteString("," + strconv.FormatInt(t.Unix(), 10) + ":" + strconv.Itoa(offset))
	}
	return b.String()
}
