package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// The suites that cssc is tried on.
const (
	Bookworm = "bookworm" // systemd 252
	Trixie   = "trixie"   // systemd 257
)

// Suites lists them, older first.
func Suites() []string { return []string{Bookworm, Trixie} }

// makeLimit bounds the making of one root file system.
const makeLimit = 10 * time.Minute

// CacheFolder is where the root file systems are kept between runs.
func CacheFolder() string {
	if folder := os.Getenv("CSSC_LAB_CACHE"); folder != "" {
		return folder
	}

	return "/var/cache/cssc-lab"
}

// Extra is what a root file system has besides the base.
type Extra string

// The extras. Each is a root file system of its own.
const (
	Bare           Extra = ""
	WithPolkit     Extra = "with-polkit"     // the daemon polkitd
	WithHAProxy    Extra = "with-haproxy"    // a load balancer in front of nodes
	WithKeepalived Extra = "with-keepalived" // for comparison only
	WithPython     Extra = "with-python"     // what the Python client needs
	WithShells     Extra = "with-shells"     // what completes: bash-completion, fish and zsh
)

// debianPackages are what the extra is made of; none for the bare one.
func (e Extra) debianPackages() []string {
	switch e {
	case WithPolkit:
		return []string{"polkitd"}
	case WithHAProxy:
		return []string{"haproxy"}
	case WithKeepalived:
		return []string{"keepalived"}
	case WithPython:
		return []string{"python3-dbus", "python3-gi"}
	case WithShells:
		return []string{"bash-completion", "fish", "zsh"}
	case Bare:
	}

	return nil
}

// Prepare makes the suite's root file system with that extra unless it is cached, and
// returns its folder. Several processes may call it at once; one makes, the others wait.
func Prepare(ctx context.Context, suite string, extra Extra) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, makeLimit)
	defer cancel()
	base, err := cached(ctx, suite, func(into string) error { return makeBase(ctx, suite, into) })
	if err != nil || extra == Bare {
		return base, err
	}

	return cached(ctx, suite+"-"+string(extra), func(into string) error { return makeExtra(ctx, base, into, extra) })
}

// cached returns the folder of that name in the cache, made by build under a temporary
// name when it is missing.
func cached(ctx context.Context, name string, build func(into string) error) (string, error) {
	folder := filepath.Join(CacheFolder(), name)
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	if err := os.MkdirAll(CacheFolder(), 0o755); err != nil {
		return "", fmt.Errorf("lab cache: %w; set CSSC_LAB_CACHE to a folder that can be written", err)
	}
	unlock, err := lock(ctx, folder+".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err = os.Stat(folder); err == nil {
		return folder, nil // another process made it while we waited
	}
	temporary := folder + ".making"
	if err = os.RemoveAll(temporary); err != nil {
		return "", fmt.Errorf("lab cache: %w", err)
	}
	if err = build(temporary); err != nil {
		return "", fmt.Errorf("make root file system %s: %w", name, err)
	}
	if err = os.Rename(temporary, folder); err != nil {
		return "", fmt.Errorf("lab cache: %w", err)
	}

	return folder, nil
}

func makeBase(ctx context.Context, suite, into string) error {
	packages := "systemd,systemd-sysv,dbus,iproute2,procps"
	err := command(ctx, "debootstrap", "--variant=minbase", "--include="+packages, suite, into)
	if err != nil {
		return err
	}

	return emptyArchives(into)
}

// makeExtra installs packages into a copy of the finished base: debootstrap cannot
// configure every package. A copy and not an overlay, whose upper layer may not lie on an
// overlay: the cache may.
func makeExtra(ctx context.Context, base, into string, extra Extra) error {
	if err := command(ctx, "cp", "-a", base, into); err != nil {
		return err
	}

	return installPackages(ctx, into, extra.debianPackages())
}

func installPackages(ctx context.Context, root string, names []string) error {
	resolver, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		return err
	}
	if err = os.WriteFile(filepath.Join(root, "etc/resolv.conf"), resolver, 0o644); err != nil {
		return err
	}
	proc := filepath.Join(root, "proc")
	if err = syscall.Mount("proc", proc, "proc", 0, ""); err != nil {
		return fmt.Errorf("mount proc: %w", err)
	}
	steps := [][]string{
		{"apt-get", "update"},
		append([]string{"apt-get", "install", "-y", "--no-install-recommends"}, names...),
	}
	for _, step := range steps {
		if err == nil {
			err = command(ctx, "chroot", append([]string{root, "env", "DEBIAN_FRONTEND=noninteractive"}, step...)...)
		}
	}

	return errors.Join(err, syscall.Unmount(proc, 0), emptyArchives(root))
}

func emptyArchives(root string) error {
	archives, err := filepath.Glob(filepath.Join(root, "var/cache/apt/archives/*.deb"))
	for _, archive := range archives {
		err = errors.Join(err, os.Remove(archive))
	}

	return err
}

// command runs one tool of the host and puts the end of its output into the error.
func command(ctx context.Context, name string, args ...string) error {
	output, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err == nil {
		return nil
	}
	lines := strings.Split(strings.TrimSpace(string(output)), "\n")
	if len(lines) > 15 {
		lines = lines[len(lines)-15:]
	}

	return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, strings.Join(lines, "\n"))
}

// lock takes the lock file, waiting as long as ctx allows; the kernel gives it back when
// the process dies.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	err = Await(ctx, makeLimit, func() error {
		return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
	}

	return func() { _ = file.Close() }, nil
}
