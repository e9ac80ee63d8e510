// Package wire is what a monitor and its clients say to each other: the messages on the attach socket and on the sync socket,
// and the exit record. It is shared by internal/monitor and ociruntime/monitored and imports next to nothing, since it is part
// of the monitor's memory.
//
// Both sockets are SOCK_SEQPACKET: one message is one packet, whose first byte is its kind.
//
// Attach socket ("attach" in the run directory, and the inherited connection):
//
//	client → monitor                                  monitor → client
//	H version flags  (with a pipe when FlagStdin)     A flags     attached, from here on nothing is missed
//	C                close standard input             N text      refused
//	W width height   resize (little endian uint16)    O data      standard output, or the terminal
//	K                the caller has cleaned up        E data      standard error
//	L                DueFile has changed; goodbye
//	                                                  D text      dropped: the client was too slow
//	                                                  X record    the process has ended; the last message
//
// Standard input does not go through the socket: the client hands over the reading end of a pipe (SCM_RIGHTS) with H. A full
// pipe then holds up nobody but its writer, the end of the pipe is the client's leaving, and a broken pipe tells the client
// that the process reads no more.
//
// Sync socket (between the monitor and the process that started it, until the process exists):
//
//	caller → monitor                                  monitor → caller
//	K                seen: the rest is the caller's   P pid start            the process exists
//	Q                give up: kill what there is      F status \n stderr     the runtime failed
//	                                                  M text                 the monitor itself failed
//
// When the sync socket closes without K, the caller has died: the monitor ends the runtime, or the process, and cleans up. The lock
// CreationLock, on the monitor's standard error, which is RuntimeLog, tells others when that is done.
package wire

import (
	"errors"
	"strconv"
)

// Version is the protocol's; it is part of Hello.
const Version = 1

// The kinds of messages.
const (
	Hello      = 'H'
	CloseStdin = 'C'
	Resize     = 'W'
	CleanedUp  = 'K'
	Look       = 'L'

	Attached = 'A'
	Refused  = 'N'
	Stdout   = 'O'
	Stderr   = 'E'
	Dropped  = 'D'
	Exited   = 'X'

	Seen      = 'K'
	Quit      = 'Q'
	Process   = 'P'
	Failed    = 'F'
	MonitorIs = 'M'
)

// The flags of Hello, and FlagTerminal of Attached.
const (
	FlagStdin    = 1
	FlagStdout   = 2
	FlagStderr   = 4
	FlagTerminal = 8
)

// FrameSize bounds the data of one Stdout or Stderr message, in bytes.
const FrameSize = 32 << 10

// The names of files in a run directory.
const (
	AttachSocket = "attach"
	PIDFile      = "pid"
	ExitFile     = "exit"
	RuntimeLog   = "runtime.log"
	// DueFile says when the periodic command is to run next: nanoseconds of CLOCK_MONOTONIC, in decimal.
	DueFile = "due"
)

// CreationLock is the byte of RuntimeLog on which there is a lock (fcntl(2), F_OFD_SETLK) while a process is being created.
const CreationLock = 1 << 62

// Exit is the exit record: how a process ended, and when (seconds and nanoseconds since 1970, UTC).
type Exit struct {
	Code, Signal int
	OOM          bool
	Sec, Nsec    int64
}

// Append appends the record's text form, which is one line:
//
//	code=137 signal=9 oom=1 time=1774746000.000000001
//
// A record without the newline at its end is not whole.
func (e Exit) Append(b []byte) []byte {
	b = append(b, "code="...)
	b = strconv.AppendInt(b, int64(e.Code), 10)
	b = append(b, " signal="...)
	b = strconv.AppendInt(b, int64(e.Signal), 10)
	b = append(b, " oom="...)
	if e.OOM {
		b = append(b, '1')
	} else {
		b = append(b, '0')
	}
	b = append(b, " time="...)
	b = strconv.AppendInt(b, e.Sec, 10)
	b = append(b, '.')
	for unit := int64(100_000_000); unit > 0; unit /= 10 {
		b = append(b, byte('0'+e.Nsec/unit%10))
	}
	return append(b, '\n')
}

var errExit = errors.New("not an exit record")

// ParseExit reads what Append wrote. Keys that it does not know are skipped; all of its own must be there.
func ParseExit(b []byte) (Exit, error) {
	var e Exit
	if len(b) == 0 || b[len(b)-1] != '\n' || len(b) > 4096 {
		return e, errExit
	}
	var seen [4]bool // each key
	for s := string(b[:len(b)-1]); s != ""; {
		var field string
		field, s = cut(s, ' ')
		key, value := cut(field, '=')
		which, ok := e.set(key, value)
		if !ok || which >= 0 && seen[which] {
			return Exit{}, errExit
		}
		if which >= 0 {
			seen[which] = true
		}
	}
	if seen != [4]bool{true, true, true, true} {
		return Exit{}, errExit
	}
	return e, nil
}

// set stores the value of one key. which numbers the keys, -1 for one that is not of this version; ok says that the value is right.
func (e *Exit) set(key, value string) (which int, ok bool) {
	var err error
	switch key {
	case "code":
		e.Code, err = strconv.Atoi(value)
		return 0, err == nil && e.Code >= 0 && e.Code <= 255
	case "signal":
		e.Signal, err = strconv.Atoi(value)
		return 1, err == nil && e.Signal >= 0 && e.Signal <= 127
	case "oom":
		e.OOM = value == "1"
		return 2, value == "1" || value == "0"
	case "time":
		sec, nsec := cut(value, '.')
		var errSec error
		e.Sec, errSec = strconv.ParseInt(sec, 10, 64)
		e.Nsec, err = strconv.ParseInt(nsec, 10, 64)
		return 3, err == nil && errSec == nil && len(nsec) == 9 && e.Nsec >= 0 && e.Sec >= 0
	}
	return -1, true
}

// cut is strings.Cut for one byte, without its package.
func cut(s string, sep byte) (before, after string) {
	for i := 0; i < len(s); i++ {
		if s[i] == sep {
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}
