//go:build integration

package integration_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/cssc-ha/cssc/integration/lab"
)

// reported writes a bundle on the node, after the cluster's key was left where it does not belong:
// in a unit file, in a journal and in a state file; with a password beside it. It reads the bundle
// here and wants what an engineer needs in it, and neither key nor password in any form.
func (f *fleet) reported(node *lab.Node) {
	f.t.Helper()
	key, err := base64.StdEncoding.DecodeString(f.currentKey(node))
	if err != nil {
		f.t.Fatal(err)
	}
	(&stage{node, f.t}).unit("leaky.service", fmt.Sprintf("# %s\n[Service]\nType=oneshot\nRemainAfterExit=yes\nEnvironment=DB_PASSWORD=hunter2\n"+
		"ExecStart=/bin/echo the key is %s or %s, password=hunter2\n[Install]\nWantedBy=cssc-init-4.target\n",
		base64.StdEncoding.EncodeToString(key), base64.StdEncoding.EncodeToString(key), hex.EncodeToString(key)))
	sh(f.t, node, "systemctl daemon-reload; cssc sync; grep -v '^#' /etc/cssc/keyring | head -n 1 | base64 -d >/var/lib/cssc/leak; rm -f /lab/report.tar.gz; journalctl --sync")
	said := node.Run(f.t, "cssc", "report", "--all", "--unit", "leaky.service", "/lab/report.tar.gz")
	f.t.Logf("%s: %s", node.Name, strings.TrimSpace(said))
	sh(f.t, node, "rm /var/lib/cssc/leak; cssc detach leaky.service 2>/dev/null; systemctl disable --now leaky.service 2>/dev/null; rm /etc/systemd/system/leaky.service; systemctl daemon-reload")
	info, err := os.Stat(f.shared("report.tar.gz"))
	if err != nil || info.Mode().Perm() != 0o600 {
		f.t.Errorf("the bundle of %s is %v, %v; want only its owner to read it", node.Name, info, err)
	}
	files := f.unpacked(f.shared("report.tar.gz"))
	for name, text := range files {
		for _, secret := range [][]byte{
			key, []byte(base64.StdEncoding.EncodeToString(key)), []byte(base64.RawStdEncoding.EncodeToString(key)), []byte(hex.EncodeToString(key)), []byte("hunter2"),
		} {
			if bytes.Contains(text, secret) {
				f.t.Errorf("%s, bundle of %s: the secret %q is in it", name, node.Name, secret)
			}
		}
	}
	for name, want := range map[string]string{
		"status.txt": "cluster lab master=", "status.json": `"term":`, "explain.txt": "node bad=no", "doctor.txt": "quorum verdict=pass", "verify.txt": "ok:",
		"history.json": `"sequence": "init"`, "events.txt": "SequenceStarted", "keys.txt": "KEY\tUSE", "plot.svg": "<svg", "config/cssc.toml": "[cluster]",
		"journal/cssc.txt": "agent started", "journal/leaky.service.txt": "the key is [left out] or [left out], password=[left out]",
		"units/leaky.service.txt": "# [left out]\n", "units/leaky.service.properties.txt": "TimeoutStartUSec=", "units/cssc-agent.service.txt": "cssc-agent",
		"systemd/properties.txt": "Version=", "systemd/jobs.txt": "", "state/leak": "[left out]", "files.txt": "/etc/cssc/keyring",
		"system/interfaces.txt": "host0", "system/etc-os-release": "Debian",
	} {
		if !bytes.Contains(files[name], []byte(want)) {
			f.t.Errorf("bundle of %s: %s is %.300q, want %q in it", node.Name, name, files[name], want)
		}
	}
	for _, other := range f.without(node) {
		if text := files["nodes/"+other.Name+"/status.txt"]; !bytes.Contains(text, []byte("source "+other.Name)) {
			f.t.Errorf("bundle of %s: %s tells %q", node.Name, other.Name, text)
		}
	}
	f.complete(node, files)
}

// currentKey is the key in use, as it stands in the node's keyring.
func (f *fleet) currentKey(node *lab.Node) string {
	f.t.Helper()
	for line := range strings.Lines(node.ReadFile(f.t, "/etc/cssc/keyring")) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return line
		}
	}
	f.t.Fatalf("%s has no key", node.Name)

	return ""
}

// complete reads the manifest: nothing is missing but what not every kernel has.
func (f *fleet) complete(node *lab.Node, files map[string][]byte) {
	f.t.Helper()
	var manifest struct {
		Parts []struct {
			Name   string `json:"name"`
			Bytes  int    `json:"bytes"`
			Cut    bool   `json:"cut"`
			Hidden int    `json:"hidden"`
			Error  string `json:"error"`
		} `json:"parts"`
	}
	f.decode(string(files["manifest.json"]), &manifest)
	for _, part := range manifest.Parts {
		if (part.Error != "" || part.Cut) && !strings.HasPrefix(part.Name, "system/proc-pressure") {
			f.t.Errorf("bundle of %s: %s has %d bytes, cut %v: %s", node.Name, part.Name, part.Bytes, part.Cut, part.Error)
		}
		if part.Name == "state/leak" && part.Hidden != 1 {
			f.t.Errorf("bundle of %s: of %s it is said that %d were left out", node.Name, part.Name, part.Hidden)
		}
	}
}

// unpacked reads a bundle: contents by name, without the folder that all begin with.
func (f *fleet) unpacked(name string) map[string][]byte {
	f.t.Helper()
	file, err := os.Open(name)
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	packed, err := gzip.NewReader(file)
	if err != nil {
		f.t.Fatal(err)
	}
	files := map[string][]byte{}
	for archive := tar.NewReader(packed); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			f.t.Fatal(err)
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			f.t.Fatal(err)
		}
		_, inside, _ := strings.Cut(path.Clean(header.Name), "/")
		files[inside] = text
	}
}
