package pgserver

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// initialize makes an empty cluster whose default order is that of English words,
// not of bytes: queries must not depend on it.
func (s *Server) initialize() error {
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		var err error
		if s.as, err = unprivileged(); err != nil {
			return err
		}
		if err := os.Chown(s.Dir, int(s.as.Uid), int(s.as.Gid)); err != nil {
			return err
		}
		if err := os.Chmod(s.family.Dir, 0o755); err != nil { // it must be able to get there
			return err
		}
	}
	args := []string{"-D", s.data(), "-U", "voice", "-A", "trust", "-N", "-E", "UTF8", "--locale=C"}
	if majorVersion(s.bin) >= 15 { // before, a cluster could not have ICU's order
		args = append(args, "--locale-provider=icu", "--icu-locale=en")
	}
	cmd := exec.Command(filepath.Join(s.bin, "initdb"), args...)
	cmd.Dir, cmd.SysProcAttr = s.Dir, &syscall.SysProcAttr{Credential: s.as}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pgserver: initdb: %w\n%s", err, out)
	}
	return nil
}

func (s *Server) data() string { return filepath.Join(s.Dir, "data") }

func unprivileged() (*syscall.Credential, error) {
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, err
		}
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}
