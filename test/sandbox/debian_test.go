package sandbox

import "testing"

func TestTheMirrorIsFoundInBothFormatsOfSources(t *testing.T) {
	for _, tc := range []struct{ name, sources, want string }{
		{"one line", "# a comment\ndeb http://mirror.example/debian bookworm main\n", "http://mirror.example/debian"},
		{"with options", "deb [signed-by=/x arch=amd64] https://mirror.example/debian/ bookworm main\n", "https://mirror.example/debian/"},
		{"deb822", "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\n", "http://mirror.example/debian"},
		{"several URIs", "URIs: http://mirror.example/debian-security http://mirror.example/debian\n", "http://mirror.example/debian"},
		{"sources of source packages", "deb-src http://mirror.example/debian bookworm main\n", ""},
		{"another archive", "deb https://packages.example/apt bookworm main\n", ""},
		{"nothing", "", ""},
	} {
		if got := mirrorIn(tc.sources); got != tc.want {
			t.Errorf("%s: expected %q, got %q", tc.name, tc.want, got)
		}
	}
}
