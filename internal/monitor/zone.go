package monitor

import (
	"errors"
	"strconv"
)

// zone knows the local time's offset from UTC now and at the next changes. The starter computes it, since reading time zone
// files costs memory: "0" or "3600,1774746000:7200,1792890000:3600" (seconds east of UTC, then changes by time).
type zone struct {
	offset  int64
	changes []zoneChange // ascending
}

type zoneChange struct{ at, offset int64 }

func parseZone(s string) (zone, error) {
	var z zone
	first := true
	for more := s != ""; more; {
		var part string
		part, s, more = cut(s, ',')
		at, offset, isChange := cut(part, ':')
		if isChange == first {
			return zone{}, errors.New("not a time zone: " + part)
		}
		if first {
			offset = at
		}
		off, err := strconv.ParseInt(offset, 10, 32)
		if err != nil {
			return zone{}, err
		}
		if first {
			z.offset, first = off, false
			continue
		}
		when, err := strconv.ParseInt(at, 10, 64)
		if err != nil {
			return zone{}, err
		}
		z.changes = append(z.changes, zoneChange{when, off})
	}
	return z, nil
}

// at is the offset at a time, in seconds since 1970.
func (z *zone) at(sec int64) int64 {
	for len(z.changes) > 0 && z.changes[0].at <= sec {
		z.offset = z.changes[0].offset
		z.changes = z.changes[1:]
	}
	return z.offset
}

// stampSize is the length of a stamp in RFC 3339 with nanoseconds and a numeric offset.
const stampSize = len("2006-01-02T15:04:05.000000000+00:00")

// stamp writes sec and nsec as local time of the offset, which is in seconds.
func stamp(b *[stampSize]byte, sec, nsec, offset int64) {
	days, rest := divide(sec+offset, 86400)
	year, month, day := date(days)
	digits(b[0:4], year)
	b[4] = '-'
	digits(b[5:7], month)
	b[7] = '-'
	digits(b[8:10], day)
	b[10] = 'T'
	digits(b[11:13], rest/3600)
	b[13] = ':'
	digits(b[14:16], rest/60%60)
	b[16] = ':'
	digits(b[17:19], rest%60)
	b[19] = '.'
	digits(b[20:29], nsec)
	b[29] = '+'
	if offset < 0 {
		b[29], offset = '-', -offset
	}
	digits(b[30:32], offset/3600)
	b[32] = ':'
	digits(b[33:35], offset/60%60)
}

// digits fills b with n in decimal, with leading zeros.
func digits(b []byte, n int64) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
}

// divide rounds down, whatever the sign of a.
func divide(a, b int64) (quotient, rest int64) {
	quotient, rest = a/b, a%b
	if rest < 0 {
		quotient, rest = quotient-1, rest+b
	}
	return quotient, rest
}

// date turns days since 1970-01-01 into a date of the Gregorian calendar. Years are counted from March, so that the leap day
// comes last, in cycles of 400 years (146097 days).
func date(days int64) (year, month, day int64) {
	cycle, inCycle := divide(days+719468, 146097)
	yearOfCycle := (inCycle - inCycle/1460 + inCycle/36524 - inCycle/146096) / 365
	dayOfYear := inCycle - (365*yearOfCycle + yearOfCycle/4 - yearOfCycle/100)
	marchMonth := (5*dayOfYear + 2) / 153
	day = dayOfYear - (153*marchMonth+2)/5 + 1
	month = marchMonth + 3
	year = cycle*400 + yearOfCycle
	if month > 12 {
		month -= 12
		year++
	}
	return year, month, day
}
