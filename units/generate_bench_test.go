package units

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// bigInstallation has ten members at each init level.
func bigInstallation(b *testing.B) string {
	b.Helper()
	files := map[string]string{}
	for level := range 11 {
		for i := range 10 {
			unit := fmt.Sprintf("m%d-%d.service", level, i)
			files[unit] = "[Unit]\nDescription=x\nAfter=network.target\n[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=x\n"
			files[fmt.Sprintf("/etc/systemd/system/cssc-init-%d.target.wants/%s", level, unit)] = "-> ../" + unit
		}
	}

	return plant(b, files)
}

func writeAll(b *testing.B, folder string, files map[string]string) {
	b.Helper()
	for name, text := range files {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkGenerator makes 101 targets for 110 members, and compares with the bare
// writing of the same files.
func BenchmarkGenerator(b *testing.B) {
	root := bigInstallation(b)
	folder := filepath.Join("/dev/shm", filepath.Base(root)) // generators write to a tmpfs
	b.Cleanup(func() { _ = os.RemoveAll(folder) })
	var whole, bare time.Duration
	for b.Loop() {
		began := time.Now()
		files := Generate(defaultLadders(), Scan(root)).Files
		writeAll(b, folder, files)
		whole += time.Since(began)
		began = time.Now()
		writeAll(b, folder, files)
		bare += time.Since(began)
	}
	b.ReportMetric(float64(whole.Microseconds())/1000/float64(b.N), "ms/generate")
	b.ReportMetric(float64(whole)/float64(bare), "ratio-to-bare-writes")
}
