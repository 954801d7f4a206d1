package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSlewOfChrony(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		files map[string]string // $ = the folder
		want  float64
		why   string
	}{
		"as delivered":       {map[string]string{"chrony.conf": "pool ntp.example iburst\nmakestep 1 3\n"}, 83.333333, ""},
		"told":               {map[string]string{"chrony.conf": "# maxslewrate 5\nMaxSlewRate 1000\n"}, 1, ""},
		"last":               {map[string]string{"chrony.conf": "maxslewrate 1000\nmaxslewrate 2000\n"}, 2, ""},
		"included":           {map[string]string{"chrony.conf": "include $/more*\n", "more1": "maxslewrate 500\n"}, 0.5, ""},
		"nothing included":   {map[string]string{"chrony.conf": "maxslewrate 500\ninclude $/more*\nconfdir $/none\n"}, 0.5, ""},
		"folder":             {map[string]string{"chrony.conf": "confdir $/d\n", "d/b.conf": "maxslewrate 3000\n", "d/a.conf": "maxslewrate 500\n", "d/c.txt": "maxslewrate 1\n"}, 3, ""},
		"of equal names":     {map[string]string{"chrony.conf": "confdir $/d $/e\n", "d/a.conf": "maxslewrate 500\n", "e/a.conf": "maxslewrate 9\n"}, 0.5, ""},
		"no number":          {map[string]string{"chrony.conf": "\nmaxslewrate fast\n"}, 0, "chrony.conf:2: maxslewrate fast is no number"},
		"includes itself":    {map[string]string{"chrony.conf": "include $/chrony.conf\n"}, 0, "chrony.conf:1: files include each other too deep"},
		"none":               {nil, 0, "there is no "},
		"under another name": {map[string]string{"other.conf": "maxslewrate 1000\n"}, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			for path, text := range test.files {
				path = filepath.Join(folder, path)
				if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "$", folder)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got := slewOf(filepath.Join(folder, "chrony.conf"), filepath.Join(folder, "other.conf"))
			if !strings.Contains(got.Why, test.why) || (test.why == "") != (got.Why == "") {
				t.Fatalf("got why %q, want %q", got.Why, test.why)
			}
			if difference := got.Value - test.want; test.why == "" && (difference > 1e-6 || difference < -1e-6) {
				t.Errorf("got %v permille, want %v", got.Value, test.want)
			}
		})
	}
}
