package logs

import (
	"bytes"
	"encoding/json"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// parser reads records of one format. It keeps what makes the next record faster, so that each reader has its own.
type parser interface {
	// parse fills l from a record without its newline; false if it is not well-formed. l.Text is valid until the next call, or
	// as long as the record.
	parse(record []byte, l *Line) bool
}

// k8sParser reads TIME STREAM TAG[:TAG…] TEXT, where the first tag is F or P.
type k8sParser struct{ clock clock }

func (p *k8sParser) parse(record []byte, l *Line) bool {
	i := bytes.IndexByte(record, ' ')
	if i < 0 {
		return false
	}
	var ok bool
	if l.Time, ok = p.clock.parse(record[:i]); !ok {
		return false
	}
	rest := record[i+1:]
	if len(rest) < 8 || rest[6] != ' ' {
		return false
	}
	if l.Stream = streamName(rest[:6]); l.Stream == "" {
		return false
	}
	l.Partial = rest[7] == 'P'
	if !l.Partial && rest[7] != 'F' {
		return false
	}
	rest = rest[8:]
	if len(rest) > 0 && rest[0] == ':' {
		if i = bytes.IndexByte(rest, ' '); i < 0 {
			i = len(rest)
		}
		rest = rest[i:]
	}
	if len(rest) > 0 {
		if rest[0] != ' ' {
			return false
		}
		rest = rest[1:]
	}
	l.Text = rest
	return true
}

func streamName(b []byte) string {
	switch string(b) {
	case Stdout:
		return Stdout
	case Stderr:
		return Stderr
	}
	return ""
}

// jsonParser reads Docker's json-file. The order of keys that Docker and Berth write is read by hand; any other by
// encoding/json.
type jsonParser struct {
	clock clock
	text  []byte
}

func (p *jsonParser) parse(record []byte, l *Line) bool {
	text, stream, stamp, ok := p.usual(record)
	if !ok {
		if text, stream, stamp, ok = unusual(record); !ok {
			return false
		}
	}
	if l.Time, ok = p.clock.parse(stamp); !ok {
		return false
	}
	if l.Stream = streamName(stream); l.Stream == "" {
		return false
	}
	n := len(text)
	l.Partial = n == 0 || text[n-1] != '\n'
	if !l.Partial {
		text = text[:n-1]
	}
	l.Text = text
	return true
}

func (p *jsonParser) usual(record []byte) (text, stream, stamp []byte, ok bool) {
	rest, ok := bytes.CutPrefix(record, []byte(`{"log":"`))
	if !ok {
		return nil, nil, nil, false
	}
	if text, rest, ok = p.unquote(rest); !ok {
		return nil, nil, nil, false
	}
	if rest, ok = bytes.CutPrefix(rest, []byte(`,"stream":"`)); !ok || len(rest) < 7 || rest[6] != '"' {
		return nil, nil, nil, false
	}
	stream, rest = rest[:6], rest[7:]
	if rest, ok = bytes.CutPrefix(rest, []byte(`,"time":"`)); !ok {
		return nil, nil, nil, false
	}
	stamp, ok = bytes.CutSuffix(rest, []byte(`"}`))
	return text, stream, stamp, ok
}

// unquote reads a JSON string whose opening quote is gone, and what follows its closing one. The result is part of s if
// nothing was escaped.
func (p *jsonParser) unquote(s []byte) (text, rest []byte, ok bool) {
	end := bytes.IndexByte(s, '"')
	if end < 0 {
		return nil, nil, false
	}
	esc := bytes.IndexByte(s[:end], '\\')
	if esc < 0 {
		return s[:end], s[end+1:], true
	}
	out := p.text[:0]
	for {
		out = append(out, s[:esc]...)
		var n int
		if out, n = unescape(out, s[esc:]); n == 0 {
			return nil, nil, false
		}
		s = s[esc+n:]
		if esc = bytes.IndexByte(s, '\\'); esc < 0 {
			esc = len(s)
		}
		if end = bytes.IndexByte(s[:esc], '"'); end >= 0 {
			p.text = append(out, s[:end]...)
			return p.text, s[end+1:], true
		}
		if esc == len(s) {
			return nil, nil, false
		}
	}
}

// unescape appends what the escape sequence at the start of s stands for, and returns its length, 0 if it is none.
func unescape(out, s []byte) ([]byte, int) {
	if len(s) < 2 {
		return out, 0
	}
	switch s[1] {
	case 'n':
		return append(out, '\n'), 2
	case 't':
		return append(out, '\t'), 2
	case 'r':
		return append(out, '\r'), 2
	case 'b':
		return append(out, '\b'), 2
	case 'f':
		return append(out, '\f'), 2
	case '"', '\\', '/':
		return append(out, s[1]), 2
	case 'u':
		r, ok := hex4(s[2:])
		if !ok {
			return out, 0
		}
		if utf16.IsSurrogate(r) && len(s) >= 12 && s[6] == '\\' && s[7] == 'u' {
			if low, ok := hex4(s[8:]); ok {
				if both := utf16.DecodeRune(r, low); both != utf8.RuneError {
					return utf8.AppendRune(out, both), 12
				}
			}
		}
		return utf8.AppendRune(out, r), 6
	}
	return out, 0
}

func hex4(s []byte) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range s[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

func unusual(record []byte) (text, stream, stamp []byte, ok bool) {
	var v struct{ Log, Stream, Time string }
	if json.Unmarshal(record, &v) != nil {
		return nil, nil, nil, false
	}
	return []byte(v.Log), []byte(v.Stream), []byte(v.Time), true
}

// clock reads RFC 3339 times, which in a log mostly share their minute with the one before.
type clock struct {
	minute [16]byte // 2006-01-02T15:04
	unix   int64    // its seconds, as if in UTC
	valid  bool
}

func (c *clock) parse(s []byte) (time.Time, bool) {
	// The shortest is 2006-01-02T15:04:05Z.
	if len(s) < 20 || s[16] != ':' {
		return time.Time{}, false
	}
	if !c.valid || string(s[:16]) != string(c.minute[:]) {
		t, err := time.Parse("2006-01-02T15:04", string(s[:16]))
		if err != nil {
			return time.Time{}, false
		}
		copy(c.minute[:], s)
		c.unix, c.valid = t.Unix(), true
	}
	sec, ok := digits(s[17:19])
	if !ok || sec > 59 {
		return time.Time{}, false
	}
	nsec, zone, ok := fraction(s[19:])
	if !ok {
		return time.Time{}, false
	}
	east, ok := offset(zone)
	if !ok {
		return time.Time{}, false
	}
	return time.Unix(c.unix+int64(sec)-east, nsec).UTC(), true
}

// fraction reads an optional .999999999 and returns what follows.
func fraction(s []byte) (nsec int64, rest []byte, ok bool) {
	if s[0] != '.' {
		return 0, s, true
	}
	scale := int64(1e9)
	i := 1
	for ; i < len(s) && '0' <= s[i] && s[i] <= '9'; i++ {
		if scale > 1 {
			scale /= 10
			nsec += int64(s[i]-'0') * scale
		}
	}
	return nsec, s[i:], i > 1 && i < len(s)
}

// offset reads Z or +07:00, in seconds east.
func offset(s []byte) (int64, bool) {
	if len(s) == 1 && s[0] == 'Z' {
		return 0, true
	}
	if len(s) != 6 || s[3] != ':' || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	h, ok1 := digits(s[1:3])
	m, ok2 := digits(s[4:6])
	if !ok1 || !ok2 || h > 24 || m > 59 {
		return 0, false
	}
	east := int64(h*3600 + m*60)
	if s[0] == '-' {
		east = -east
	}
	return east, true
}

func digits(s []byte) (int, bool) {
	a, b := s[0]-'0', s[1]-'0'
	return int(a)*10 + int(b), a <= 9 && b <= 9
}
