package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// unpacked reads an archive back: contents by name, and the manifest.
func unpacked(t *testing.T, data []byte) (map[string]string, Manifest) {
	t.Helper()
	packed, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for archive := tar.NewReader(packed); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		name, inside := strings.CutPrefix(header.Name, "report/")
		if !inside || header.Mode != 0o600 {
			t.Errorf("%s has mode %o", header.Name, header.Mode)
		}
		files[name] = string(text)
	}
	var manifest Manifest
	if err := json.Unmarshal([]byte(files["manifest.json"]), &manifest); err != nil {
		t.Fatal(err)
	}

	return files, manifest
}

func said(text string, err error) func(context.Context) ([]byte, error) {
	return func(context.Context) ([]byte, error) { return []byte(text), err }
}

// TestABundleSurvivesItsParts adds parts that are well, that fail, fail half way, hang, are too
// long at either end, and find no room or no time: each costs only itself, and the manifest says so.
func TestABundleSurvivesItsParts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		b := New(&out, Options{Folder: "report", Limits: Limits{Part: 20, Total: 90}, Secrets: NewSecrets(), Now: time.Now})
		ctx, cancel := context.WithCancel(t.Context())
		release := make(chan struct{})
		add := func(name string, newest bool, collect func(context.Context) ([]byte, error)) {
			b.Add(ctx, Part{Name: name, Source: "a test", Limit: time.Second, Newest: newest, Collect: collect})
		}
		add("well.txt", false, said("all is well\n", nil))
		add("empty.txt", false, said("", nil))
		add("failed.txt", false, said("", errors.New("permission denied")))
		add("half.txt", false, said("half\n", errors.New("the rest is lost")))
		add("hangs.txt", false, func(context.Context) ([]byte, error) { <-release; return nil, nil })
		add("begin.txt", false, said("one\ntwo\n"+strings.Repeat("x", 30), nil))
		add("end.txt", true, said(strings.Repeat("x", 30)+"\nlast\n", nil))
		add("../../escape", false, said("inside\n", nil))
		for i := range 6 {
			add(fmt.Sprintf("more%d.txt", i), false, said("0123456789\n", nil))
		}
		cancel()
		add("late.txt", false, said("late\n", nil))
		close(release)
		if err := b.Close(map[string]string{"node": "n1"}); err != nil {
			t.Fatal(err)
		}
		files, manifest := unpacked(t, out.Bytes())
		for name, want := range map[string]string{
			"well.txt": "all is well\n", "empty.txt": "", "half.txt": "half\n", "begin.txt": "one\ntwo\n", "end.txt": "last\n", "escape": "inside\n",
		} {
			if got, there := files[name]; !there || got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		want := map[string]string{
			"failed.txt": "permission denied", "half.txt": "the rest is lost", "hangs.txt": "not had within 1s", "more5.txt": ErrNoRoom.Error(), "late.txt": "no time was left",
		}
		total := 0
		for _, entry := range manifest.Parts {
			total += entry.Bytes
			if !strings.HasPrefix(entry.Error, want[entry.Name]) || (want[entry.Name] == "" && entry.Error != "" && !strings.HasPrefix(entry.Name, "more")) {
				t.Errorf("%s: error %q, want %q", entry.Name, entry.Error, want[entry.Name])
			}
			if cut := entry.Name == "begin.txt" || entry.Name == "end.txt"; cut && !entry.Cut {
				t.Errorf("%s: it is not said that it was longer", entry.Name)
			}
		}
		if len(manifest.Parts) != 15 || total > 90 {
			t.Errorf("%d parts with %d bytes", len(manifest.Parts), total)
		}
	})
}

// TestNoFormOfAKeyGetsIn puts a key into a part in every form, and into an error.
func TestNoFormOfAKeyGetsIn(t *testing.T) {
	t.Parallel()
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		t.Fatal(err)
	}
	forms := []string{
		string(key), base64.StdEncoding.EncodeToString(key), base64.RawStdEncoding.EncodeToString(key), base64.URLEncoding.EncodeToString(key),
		hex.EncodeToString(key), strings.ToUpper(hex.EncodeToString(key)), fmt.Sprintf("%d", key),
	}
	var out bytes.Buffer
	b := New(&out, Options{Folder: "report", Limits: Limits{1 << 20, 1 << 20}, Secrets: NewSecrets(key), Now: time.Now})
	for i, form := range forms {
		b.Add(t.Context(), Part{Name: fmt.Sprint(i), Source: form, Limit: time.Minute, Collect: said("before "+form+" after\n", errors.New("cannot read "+form))})
	}
	if err := b.Close("about " + forms[1]); err != nil {
		t.Fatal(err)
	}
	files, _ := unpacked(t, out.Bytes())
	for name, text := range files {
		for _, form := range forms {
			if strings.Contains(text, strings.Trim(form, "[]")) {
				t.Errorf("%s has the key as %q", name, form)
			}
		}
		if name != "manifest.json" && text != "before [left out] after\n" && text != "before [[left out]] after\n" {
			t.Errorf("%s: %q", name, text)
		}
	}
}

// TestValuesBehindTellingWordsAreHidden has lines as they stand in units, journals and files.
func TestValuesBehindTellingWordsAreHidden(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"Environment=PGPASSWORD=hunter2 LANG=C":                       "Environment=[left out]",
		"SetCredential=a:b":                                           "SetCredential=[left out]",
		"ExecStart=/usr/bin/x --password hunter2 --fast":              "ExecStart=/usr/bin/x --password [left out] --fast",
		"ExecStart=/usr/bin/x --db-password=hunter2":                  "ExecStart=/usr/bin/x --db-password=[left out]",
		`{"api_token": "hunter2", "node": "n1"}`:                      `{"api_token": "[left out]", "node": "n1"}`,
		"connect to postgres://app:hunter2@db/x":                      "connect to postgres://app:[left out]@db/x",
		"-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----": "-----BEGIN PRIVATE KEY-----[left out]-----END PRIVATE KEY-----",
		"the term is the fencing token of services":                   "the term is the fencing token of services",
		"keyring = \"/etc/cssc/keyring\"":                             "keyring = \"/etc/cssc/keyring\"",
		"Wants=secrets.service":                                       "Wants=secrets.service",
		"level 3 reached: run=1 sequence=init":                        "level 3 reached: run=1 sequence=init",
	} {
		got, count := NewSecrets().Hide([]byte(line))
		if string(got) != want || (count > 0) != (line != want) {
			t.Errorf("%q became %q (%d), want %q", line, got, count, want)
		}
	}
}
