package ociruntime

import "testing"

func TestCgroupPathIsWhereTheRuntimesPutIt(t *testing.T) {
	for path, expected := range map[string]string{
		"":                         "",
		"/berth-1":                 "/berth-1",
		"/a/berth-1":               "/a/berth-1",
		"machine.slice:berth:1":    "/machine.slice/berth-1.scope",
		"a-b-c.slice:berth:1":      "/a.slice/a-b.slice/a-b-c.slice/berth-1.scope",
		"-.slice:berth:1":          "/berth-1.scope",
		":berth:1":                 "/system.slice/berth-1.scope",
		"user-0.slice::1":          "/user.slice/user-0.slice/1.scope",
		`dev\x2da.slice:berth:1`:   `/dev\x2da.slice/berth-1.scope`,
		"machine.slice:berth:1-2":  "/machine.slice/berth-1-2.scope",
		"/path/with:two:colons:in": "/path/with:two:colons:in",
	} {
		if got := CgroupPath(path); got != expected {
			t.Errorf("CgroupPath(%q): expected %q, got %q", path, expected, got)
		}
	}
}
