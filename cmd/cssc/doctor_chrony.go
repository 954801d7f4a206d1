package main

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/cssc-ha/cssc/cmd/cssc/doctor"
)

const (
	// As delivered, chronyd changes the rate of the clocks by so much at most, in ppm.
	chronySlew = 83333.333
	// Files of chrony may name others so deep.
	mostIncludes = 5
)

// slewOf is how much chronyd may change the rate of the clocks, in thousandths: the last
// maxslewrate of the first of the files that exists, and of those that it includes. Nothing is known
// when none exists.
func slewOf(files ...string) doctor.Known[float64] {
	for _, file := range files {
		if exists(file) {
			ppm, err := slewIn(file, chronySlew, mostIncludes)
			return doctor.Of(ppm/1000, err)
		}
	}

	return doctor.Known[float64]{Why: "there is no " + strings.Join(files, " and no ")}
}

// slewIn reads one file; before is what the files before it say.
func slewIn(path string, before float64, depth int) (ppm float64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = file.Close() }()
	ppm = before
	lines := bufio.NewScanner(file)
	for number := 1; lines.Scan(); number++ {
		words := strings.Fields(lines.Text())
		if len(words) < 2 {
			continue
		}
		switch strings.ToLower(words[0]) {
		case "maxslewrate":
			if ppm, err = strconv.ParseFloat(words[1], 64); err != nil {
				return 0, fmt.Errorf("%s:%d: maxslewrate %s is no number", path, number, words[1])
			}
		case "include", "confdir":
			if depth == 0 {
				return 0, fmt.Errorf("%s:%d: files include each other too deep", path, number)
			}
			for _, other := range included(words) {
				if ppm, err = slewIn(other, ppm, depth-1); err != nil {
					return 0, err
				}
			}
		}
	}

	return ppm, lines.Err()
}

// included are the files that a directive names, in chrony's order: a pattern, or all *.conf of some
// directories by their names, of equal names the one in the first directory.
func included(words []string) []string {
	if strings.EqualFold(words[0], "include") {
		files, _ := filepath.Glob(words[1]) // a pattern that is none names no file

		return files
	}
	var files []string
	seen := map[string]bool{}
	for _, folder := range words[1:] {
		found, _ := filepath.Glob(filepath.Join(folder, "*.conf"))
		for _, file := range found {
			if name := filepath.Base(file); !seen[name] {
				seen[name] = true
				files = append(files, file)
			}
		}
	}
	slices.SortFunc(files, func(a, b string) int { return cmp.Compare(filepath.Base(a), filepath.Base(b)) })

	return files
}
