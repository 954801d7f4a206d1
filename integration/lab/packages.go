package lab

import (
	"context"
	"os"
	"path/filepath"
	"sync"
)

// Two versions of the packages, made of the same sources.
const (
	OlderVersion = "1.0.0"
	NewerVersion = "1.1.0"
)

// Kinds of packages; contrib/packages has a script for each.
const (
	Deb = "deb"
	RPM = "rpm"
)

// Packages builds the packages of that kind and version, once per process, and returns the
// folder in build/ that they are in, and nothing else of that kind.
func Packages(kind, version string) (string, error) {
	build, _ := packageBuilds.LoadOrStore(kind+" "+version, sync.OnceValues(func() (string, error) {
		return makePackages(kind, version)
	}))

	return build.(func() (string, error))() //nolint:forcetypeassert // nothing else is stored
}

//nolint:gochecknoglobals // one build per process is the purpose
var packageBuilds sync.Map

func makePackages(kind, version string) (string, error) {
	top, err := Repository()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(top, "build", "packages", version, kind)
	if err = os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	ctx := context.Background()
	unlock, err := lock(ctx, folder+".lock")
	if err != nil {
		return "", err
	}
	defer unlock()

	return folder, command(ctx, filepath.Join(top, "contrib", "packages", kind+".sh"), version, folder)
}

// InstallPackages installs the named Debian packages of that version, or upgrades or
// downgrades to it, as an operator does with apt. In a node that is off it is done as when
// an image of a node is made.
func (n *Node) InstallPackages(t TB, version string, names ...string) {
	t.Helper()
	folder, err := Packages(Deb, version)
	if err != nil {
		t.Fatalf("build packages %s: %v", version, err)
	}
	argv := n.Apt("install", "--allow-downgrades")
	for _, name := range names {
		files, _ := filepath.Glob(filepath.Join(folder, name+"_*.deb"))
		if len(files) != 1 {
			t.Fatalf("packages %s: %q is in %d files, want one", version, name, len(files))
		}
		path := "/var/tmp/" + filepath.Base(files[0])
		n.Copy(t, files[0], path)
		argv = append(argv, path)
		defer func() { _ = os.Remove(n.path(path)) }()
	}
	if n.Running() {
		n.Run(t, argv...)
	} else if err := command(context.Background(), "chroot", append([]string{n.Root()}, argv...)...); err != nil {
		t.Fatalf("install packages into node %s: %v", n.Name, err)
	}
}

// Apt is a command line of apt-get that asks nothing and needs no network.
func (*Node) Apt(command string, args ...string) []string {
	return append([]string{
		"env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y", "-q", "--no-install-recommends", "-o", "APT::Sandbox::User=root", command,
	}, args...)
}
