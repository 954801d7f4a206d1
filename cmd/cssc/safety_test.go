package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/agent/config"
)

const safety = "../../contrib/man/cssc-safety.7.scd"

// TestSafetyManualHasTheFiguresOfTheCode computes the table of the profiles and the course of a
// lost lease from the configuration that each profile gives.
func TestSafetyManualHasTheFiguresOfTheCode(t *testing.T) {
	t.Parallel()
	text := readText(t, safety)
	profiles := []string{"default", "fast", "floor", "wide"}
	rows := map[string][]string{}
	for _, profile := range profiles {
		m := profileTimes(t, profile)
		off := m.Lease * time.Duration(m.ClockErrorPermille) / 1000
		until := m.Lease - off
		for row, value := range map[string]time.Duration{
			"lease": m.Lease, "renewal every": m.RenewEvery, "demote after": m.CeaseAfter, "the agent kills after": until - m.KillMargin,
			"the guard kills after": until - m.KillMargin/2, "master acts until": until, "voter bound until": m.Lease + off,
		} {
			rows[row] = append(rows[row], strconv.FormatFloat(float64(value)/float64(time.Millisecond), 'g', 6, 64))
		}
	}
	for row, values := range rows {
		want := "|  " + row + "\n:  " + strings.Join(values, "\n:  ") + "\n"
		if !strings.Contains(text, want) {
			t.Errorf("cssc-safety(7), The profiles: no row\n%s", want)
		}
	}
	for _, row := range []string{"renewal every", "demote after", "the agent kills after", "the guard kills after", "master acts until", "voter bound until"} {
		if want := "\n|  " + rows[row][0] + " ms\n"; !strings.Contains(text, want) {
			t.Errorf("cssc-safety(7), What happens when nobody answers: no line of %s ms (%s)", rows[row][0], row)
		}
	}
}

func profileTimes(t *testing.T, profile string) config.Mastership {
	t.Helper()
	dir := t.TempDir()
	text := fmt.Sprintf("[mastership]\nprofile = %q\n", profile)
	if err := os.WriteFile(filepath.Join(dir, "cssc.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	loaded, err := config.Load(dir)
	if err != nil {
		t.Fatal(err)
	}

	return loaded.Mastership
}

// TestSafetyManualCountsMajorities computes the table of cluster sizes.
func TestSafetyManualCountsMajorities(t *testing.T) {
	t.Parallel()
	rows := regexp.MustCompile(`(?m)^\|  (\d)\n:  (\d)\n:  (\d)$`).FindAllStringSubmatch(readText(t, safety), -1)
	if len(rows) != 7 {
		t.Fatalf("%d rows of cluster sizes, want 1 to 7", len(rows))
	}
	for i, row := range rows {
		voters := i + 1
		want := fmt.Sprintf("%d %d %d", voters, voters/2+1, voters-(voters/2+1))
		if got := strings.Join(row[1:], " "); got != want {
			t.Errorf("voters, majority and loss: %s, want %s", got, want)
		}
	}
}

func readText(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}

	return string(text)
}
