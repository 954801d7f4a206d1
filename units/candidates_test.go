package units

import (
	"slices"
	"testing"
)

// TestOffersForAttachAndDetach lists what a shell may offer: units with a file of their own,
// and those that are attached, by a drop-in or by a link.
func TestOffersForAttachAndDetach(t *testing.T) {
	t.Parallel()
	root := plant(t, map[string]string{
		"a.service": "", "b.timer": "", "x@.service": "", "cssc-agent.service": "", "readme.txt": "",
		"alias.service": "-> a.service", `mnt-a\x2db.mount`: "",
		"masked.service":                                                "",
		"/etc/systemd/system/masked.service":                            "-> /dev/null",
		"/etc/systemd/system/a.service.d/50-cssc.conf":                  "[Install]\n",
		`/etc/systemd/system/cssc-init-3.target.wants/mnt-a\x2db.mount`: `-> /usr/lib/systemd/system/mnt-a\x2db.mount`,
		"/etc/systemd/system/cssc-x-y.target.wants/b.timer":             "-> /usr/lib/systemd/system/b.timer",
		"/etc/systemd/system/multi-user.target.wants/b.timer":           "-> /usr/lib/systemd/system/b.timer",
	})
	a := Attacher{Root: root}
	if got, want := a.Attachable(), []string{"a.service", "b.timer", `mnt-a\x2db.mount`}; !slices.Equal(got, want) {
		t.Errorf("to attach: %q, want %q", got, want)
	}
	if got, want := a.Attached(), []string{"a.service", `mnt-a\x2db.mount`}; !slices.Equal(got, want) {
		t.Errorf("attached: %q, want %q", got, want)
	}
	if removed, err := a.unlink(`mnt-a\x2db.mount`); !removed || err != nil {
		t.Errorf("unlink: %v, %v", removed, err)
	}
	if got, want := a.Attached(), []string{"a.service"}; !slices.Equal(got, want) {
		t.Errorf("then attached: %q, want %q", got, want)
	}
}
