package monitor

import "unicode/utf8"

// criFormat is the log format of the Kubernetes CRI, as conmon writes it: time, stream, F for a whole line or P for a part, text.
//
//	2006-01-02T15:04:05.000000000+02:00 stdout F text
type criFormat struct {
	zone   zone
	sec    int64
	offset int64
	prefix [stampSize]byte
}

func (f *criFormat) at(sec, nsec int64) {
	if sec != f.sec {
		f.sec, f.offset = sec, f.zone.at(sec)
		stamp(&f.prefix, sec, nsec, f.offset)
		return
	}
	digits(f.prefix[20:29], nsec)
}

func (f *criFormat) unfinished(int) bool { return false }

func (f *criFormat) record(b []byte, stream int, text []byte, whole bool) []byte {
	b = append(b, f.prefix[:]...)
	switch {
	case stream == stdout && whole:
		b = append(b, " stdout F "...)
	case stream == stdout:
		b = append(b, " stdout P "...)
	case whole:
		b = append(b, " stderr F "...)
	default:
		b = append(b, " stderr P "...)
	}
	b = append(b, text...)
	return append(b, '\n')
}

// jsonFormat is Docker's json-file: {"log":"text\n","stream":"stdout","attrs":{"tag":"…"},"time":"…Z"}. The text of a partial
// record has no newline at its end. Bytes that are not UTF-8 become U+FFFD; a character that is cut in two by the end of a
// record goes into the next one of its stream.
type jsonFormat struct {
	stamp [stampSize]byte
	attrs string
	cut   [3]cutRune
	// ending: no more will come, so that nothing is kept for the next record.
	ending bool
}

// cutRune is the beginning of a character whose end has not come yet.
type cutRune struct {
	b [utf8.UTFMax]byte
	n int
}

// tag adds a tag to every record.
func (f *jsonFormat) tag(tag string) {
	if tag != "" {
		b := append([]byte(nil), `,"attrs":{"tag":"`...)
		b, _ = appendEscaped(b, []byte(tag))
		f.attrs = string(append(b, `"}`...))
	}
}

func (f *jsonFormat) at(sec, nsec int64) { stamp(&f.stamp, sec, nsec, 0) }

func (f *jsonFormat) unfinished(stream int) bool { return f.cut[stream].n > 0 }

func (f *jsonFormat) record(b []byte, stream int, text []byte, whole bool) []byte {
	b = append(b, `{"log":"`...)
	b = f.text(b, &f.cut[stream], text)
	if whole || f.ending {
		b = f.cut[stream].flush(b)
	}
	if whole {
		b = append(b, `\n`...)
	}
	b = append(b, `","stream":"`...)
	b = append(b, streamNames[stream]...)
	b = append(b, '"')
	b = append(b, f.attrs...)
	b = append(b, `,"time":"`...)
	b = append(b, f.stamp[:len(f.stamp)-len("+00:00")]...)
	return append(b, "Z\"}\n"...)
}

// text appends text, joined to what the last record of the stream has left over.
func (f *jsonFormat) text(b []byte, c *cutRune, text []byte) []byte {
	for c.n > 0 && len(text) > 0 {
		c.b[c.n] = text[0]
		c.n++
		text = text[1:]
		if utf8.FullRune(c.b[:c.n]) {
			joined := *c
			var rest int
			b, rest = appendEscaped(b, joined.b[:joined.n])
			c.n = copy(c.b[:], joined.b[joined.n-rest:joined.n])
		}
	}
	if len(text) == 0 {
		return b
	}
	b, rest := appendEscaped(b, text)
	c.n = copy(c.b[:], text[len(text)-rest:])
	return b
}

// flush gives up waiting for the end of a character.
func (c *cutRune) flush(b []byte) []byte {
	for ; c.n > 0; c.n-- {
		b = append(b, `\ufffd`...)
	}
	return b
}

// appendEscaped appends text as the inside of a JSON string. rest is the number of bytes at its end that begin a character and
// do not end it; they are left out.
func appendEscaped(b, text []byte) (_ []byte, rest int) {
	const hex = "0123456789abcdef"
	plain := 0 // where the text not yet copied begins
	for i := 0; i < len(text); {
		c := text[i]
		if c >= 0x20 && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRune(text[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(b, text[plain:i]...)
				if !utf8.FullRune(text[i:]) {
					return b, len(text) - i
				}
				b = append(b, `\ufffd`...)
				plain = i + 1
			}
			i += size
			continue
		}
		b = append(b, text[plain:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, `\n`...)
		case '\r':
			b = append(b, `\r`...)
		case '\t':
			b = append(b, `\t`...)
		default:
			b = append(b, `\u00`...)
			b = append(b, hex[c>>4], hex[c&15])
		}
		i++
		plain = i
	}
	return append(b, text[plain:]...), 0
}
