package pgserver

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// ErrMissing says how to get a PostgreSQL server.
var ErrMissing = errors.New("no PostgreSQL server on this machine: run `make postgres`, or install it (Debian: apt-get install postgresql)")

// Programs is the directory of initdb and postgres, the newest that is found where
// distributions keep them. Its error is ErrMissing.
func Programs() (string, error) {
	var dirs []string
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin"} {
		found, _ := filepath.Glob(pattern)
		dirs = append(dirs, found...)
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	best, newest := "", -1
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
			continue
		}
		if v := majorVersion(dir); v > newest {
			best, newest = dir, v
		}
	}
	if best == "" {
		return "", ErrMissing
	}
	return best, nil
}

// majorVersion reads "postgres (PostgreSQL) 15.14 (Debian ...)"; it is -1 for what
// does not run.
func majorVersion(dir string) int {
	out, err := exec.Command(filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return -1
	}
	_, version, _ := strings.Cut(string(out), "(PostgreSQL) ")
	digits := strings.IndexFunc(version, func(r rune) bool { return r < '0' || r > '9' })
	if digits < 1 {
		return -1
	}
	v, err := strconv.Atoi(version[:digits])
	if err != nil {
		return -1
	}
	return v
}
