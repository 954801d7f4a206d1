package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cssc-ha/cssc/cmd/cssc/bundle"
	"github.com/cssc-ha/cssc/serfcmm/keyring"
	"github.com/cssc-ha/cssc/units"
)

// mostFiles bounds the state files of one folder.
const mostFiles = 64

// secretKeys are all keys that could be in a file of this node. A keyring that the agent would
// refuse is read, too: its keys are no less secret.
func secretKeys() [][]byte {
	var keys [][]byte
	for _, path := range []string{keyringPath(), filepath.Join(configDir, "keyring")} {
		text, err := readRegular(path)
		if err != nil {
			continue
		}
		for scanner := bufio.NewScanner(bytes.NewReader(text)); scanner.Scan(); {
			if key, err := keyring.ParseKey(strings.TrimSpace(scanner.Text())); err == nil {
				keys = append(keys, key)
			}
		}
	}

	return keys
}

// filePart is a file as it is.
func filePart(name, path string) bundle.Part {
	return bundle.Part{Name: name, Source: path, Limit: limitPart, Collect: func(context.Context) ([]byte, error) { return readRegular(path) }}
}

// readRegular reads as much of a file as a part may have; a pipe or a device is not read.
func readRegular(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()

	return io.ReadAll(io.LimitReader(file, reportPart+1))
}

// systemParts is what the kernel and the distribution tell.
func systemParts() []bundle.Part {
	var parts []bundle.Part
	for _, path := range []string{
		"/etc/os-release", "/proc/version", "/proc/cmdline", "/proc/uptime", "/proc/loadavg", "/proc/meminfo", "/proc/pressure/cpu", "/proc/pressure/io",
		"/proc/pressure/memory", "/proc/net/dev", "/proc/net/snmp", "/proc/self/mounts",
		"/sys/devices/system/clocksource/clocksource0/current_clocksource",
	} {
		parts = append(parts, filePart("system/"+strings.ReplaceAll(strings.Trim(path, "/"), "/", "-"), path))
	}

	return append(parts, bundle.Part{
		Name: "system/interfaces.txt", Source: "the network interfaces", Limit: limitPart,
		Collect: func(context.Context) ([]byte, error) { return interfaceLines() },
	})
}

func interfaceLines() ([]byte, error) {
	cards, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var lines bytes.Buffer
	for _, card := range cards {
		addresses, _ := card.Addrs() // one that cannot tell has none
		fmt.Fprintf(&lines, "%s mtu=%d flags=%s addresses=%v\n", card.Name, card.MTU, card.Flags, addresses)
	}

	return lines.Bytes(), nil
}

// stateParts are what the agent keeps, but for keys, and a listing of its folders.
func stateParts() []bundle.Part {
	parts := []bundle.Part{{
		Name: "files.txt", Source: "the names, sizes and modes in " + strings.Join([]string{configDir, stateDir, runDir}, ", "), Limit: limitPart,
		Collect: func(context.Context) ([]byte, error) { return folderLines(configDir, stateDir, runDir), nil },
	}}
	secret := keyringPath()
	for folder, dir := range map[string]string{"state/": stateDir, "run/": runDir} {
		entries, _ := os.ReadDir(dir) // the listing says what is wrong
		for i, entry := range entries {
			path := filepath.Join(dir, entry.Name())
			if i < mostFiles && entry.Type().IsRegular() && path != secret && !strings.Contains(entry.Name(), "key") {
				parts = append(parts, filePart(folder+entry.Name(), path))
			}
		}
	}
	slices.SortFunc(parts, func(x, y bundle.Part) int { return strings.Compare(x.Name, y.Name) })

	return parts
}

// folderLines says what is in the folders, a line each.
func folderLines(dirs ...string) []byte {
	var lines bytes.Buffer
	for _, dir := range dirs {
		count := 0
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if count++; count > 10*mostFiles {
				return fs.SkipAll
			}
			if err != nil {
				fmt.Fprintf(&lines, "%s: %v\n", path, err)

				return nil
			}
			if info, err := entry.Info(); err == nil {
				fmt.Fprintf(&lines, "%s %9d %s %s\n", info.Mode(), info.Size(), info.ModTime().Format(time.RFC3339), path)
			}

			return nil
		})
		if err != nil {
			fmt.Fprintf(&lines, "%s: %v\n", dir, err)
		}
	}

	return lines.Bytes()
}

// unitParts are PID 1's properties and jobs, and of each unit its files and its properties. One
// connection serves them all, as long as ctx lasts.
func unitParts(ctx context.Context, names []string) []bundle.Part {
	system := units.NewSystem(units.Options{})
	go func() { _ = system.Run(ctx) }()
	part := func(name, source string, collect func(ctx context.Context) ([]byte, error)) bundle.Part {
		return bundle.Part{Name: name, Source: source, Limit: limitSystem, Collect: collect}
	}
	parts := []bundle.Part{
		part("systemd/properties.txt", "systemctl show", func(ctx context.Context) ([]byte, error) {
			properties, err := system.ManagerProperties(ctx)

			return propertyLines(properties), err
		}),
		part("systemd/jobs.txt", "systemctl list-jobs", func(ctx context.Context) ([]byte, error) {
			jobs, err := system.Jobs(ctx)

			return []byte(strings.Join(append(jobs, ""), "\n")), err
		}),
	}
	for _, name := range names {
		file := strings.ReplaceAll(name, "/", "_")
		parts = append(parts,
			part("units/"+file+".properties.txt", "systemctl show "+name, func(ctx context.Context) ([]byte, error) {
				properties, err := system.UnitProperties(ctx, name)

				return propertyLines(properties), err
			}),
			part("units/"+file+".txt", "systemctl cat "+name, func(ctx context.Context) ([]byte, error) {
				properties, err := system.UnitProperties(ctx, name)
				if err != nil {
					return nil, err
				}

				return unitFiles(properties)
			}),
		)
	}

	return parts
}

// propertyLines are the properties, sorted, a line each.
func propertyLines(properties units.Properties) []byte {
	var lines bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		fmt.Fprintf(&lines, "%s=%v\n", name, properties[name])
	}

	return lines.Bytes()
}

// unitFiles are the unit's file and its drop-ins, each behind its path.
func unitFiles(properties units.Properties) ([]byte, error) {
	paths, _ := properties["DropInPaths"].([]string)
	if path := properties.Text("FragmentPath"); path != "" {
		paths = append([]string{path}, paths...)
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("the unit has no file: %s", properties.Text("LoadState"))
	}
	var text bytes.Buffer
	for _, path := range paths {
		content, err := readRegular(path)
		fmt.Fprintf(&text, "# %s\n%s\n", path, content)
		if err != nil {
			fmt.Fprintf(&text, "# %v\n", err)
		}
	}

	return text.Bytes(), nil
}
