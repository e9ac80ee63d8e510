package wire

import "testing"

func TestExitRecordSurvivesItsTextForm(t *testing.T) {
	for _, want := range []Exit{
		{},
		{Code: 137, Signal: 9, OOM: true, Sec: 1774746000, Nsec: 1},
		{Code: 255, Sec: 1, Nsec: 999_999_999},
	} {
		text := want.Append(nil)
		got, err := ParseExit(text)
		if err != nil || got != want {
			t.Errorf("%q: got %+v, %v; expected %+v", text, got, err, want)
		}
	}
}

func TestExitRecordThatIsNotWholeIsRefused(t *testing.T) {
	whole := string(Exit{Code: 3, Sec: 5}.Append(nil))
	for i := 0; i < len(whole); i++ {
		if got, err := ParseExit([]byte(whole[:i])); err == nil {
			t.Errorf("%q was taken as %+v", whole[:i], got)
		}
	}
	for _, bad := range []string{
		"code=256 signal=0 oom=0 time=1.000000000\n",
		"code=-1 signal=0 oom=0 time=1.000000000\n",
		"code=1 signal=0 oom=2 time=1.000000000\n",
		"code=1 signal=0 oom=0 time=1.5\n",
		"code=1 oom=0 time=1.000000000\n",
		"code=1 code=1 oom=0 time=1.000000000\n",
	} {
		if got, err := ParseExit([]byte(bad)); err == nil {
			t.Errorf("%q was taken as %+v", bad, got)
		}
	}
}

func TestExitRecordOfALaterVersionIsRead(t *testing.T) {
	got, err := ParseExit([]byte("code=1 signal=0 core=1 oom=0 time=1.000000002 cpu=3\n"))
	if want := (Exit{Code: 1, Sec: 1, Nsec: 2}); err != nil || got != want {
		t.Fatalf("got %+v, %v; expected %+v", got, err, want)
	}
}

func FuzzParseExit(f *testing.F) {
	f.Add([]byte("code=137 signal=9 oom=1 time=1774746000.000000001\n"))
	f.Add([]byte("code=0 signal=0 oom=0 time=0.000000000\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := ParseExit(b)
		if err != nil {
			return
		}
		again, err := ParseExit(e.Append(nil))
		if err != nil || again != e {
			t.Fatalf("%q: read as %+v, written and read again %+v, %v", b, e, again, err)
		}
	})
}
