package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
)

// server is the PostgreSQL that all tests share: a real one, on a unix socket in a
// directory of its own, started by the first test that asks for it.
var server struct {
	once sync.Once
	pgServer
	err error
}

type pgServer struct {
	bin, dir string
	as       *syscall.Credential // PostgreSQL refuses to run as root
	process  *exec.Cmd
	exited   chan struct{} // closed when process has ended
}

// howToInstall is what the tests say where there is no server.
const howToInstall = "no PostgreSQL server on this machine: run `make postgres`, or install it (Debian: apt-get install postgresql)"

// postgresServer returns the running server, or skips the test.
func postgresServer(t testing.TB) *pgServer {
	t.Helper()
	s := &server
	s.once.Do(func() {
		if s.bin = postgresPrograms(); s.bin == "" {
			return
		}
		if s.err = s.initialize(); s.err == nil {
			s.err = s.start()
		}
	})
	if s.bin == "" && os.Getenv("CI") == "true" {
		t.Fatal(howToInstall + "; with CI=true these tests are never skipped")
	}
	if s.bin == "" {
		t.Skip(howToInstall)
	}
	if s.err != nil {
		t.Fatal(s.err)
	}
	return &s.pgServer
}

// postgresPrograms is the directory of initdb and postgres, the newest that is found
// where distributions keep them, or "".
func postgresPrograms() string {
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
		if v := majorVersion(filepath.Join(dir, "postgres")); v > newest {
			best, newest = dir, v
		}
	}
	return best
}

// majorVersion reads "postgres (PostgreSQL) 15.14 (Debian ...)"; it is -1 for what
// does not run.
func majorVersion(postgres string) int {
	out, err := exec.Command(postgres, "--version").Output()
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

// initialize makes an empty cluster whose default order is that of English words,
// not of bytes: queries must not depend on it.
func (s *pgServer) initialize() (err error) {
	if s.dir, err = os.MkdirTemp("", "voice-pg"); err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		if s.as, err = unprivileged(); err != nil {
			return err
		}
		if err := os.Chown(s.dir, int(s.as.Uid), int(s.as.Gid)); err != nil {
			return err
		}
	}
	args := []string{"-D", s.data(), "-U", "voice", "-A", "trust", "-N", "-E", "UTF8", "--locale=C"}
	if majorVersion(filepath.Join(s.bin, "postgres")) >= 15 { // before, a cluster could not have ICU's order
		args = append(args, "--locale-provider=icu", "--icu-locale=en")
	}
	out, err := s.command("initdb", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

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

func (s *pgServer) data() string { return filepath.Join(s.dir, "data") }

func (s *pgServer) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.as, Pdeathsig: syscall.SIGQUIT}
	return cmd
}

// startTime bounds the start of a server, recovery after a crash included.
const startTime = 60 * time.Second

// start runs the server until it answers. After a kill the backends of the old one
// may live on for a moment, and the new one then refuses to start: so again.
func (s *pgServer) start() error {
	var err error
	for deadline := time.Now().Add(startTime); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if err = s.launch(); err != nil {
			return err
		}
		if err = s.answers(deadline); err == nil {
			return nil
		}
	}
	text, _ := os.ReadFile(s.log())
	return fmt.Errorf("postgres does not answer: %w\n%s", err, text)
}

func (s *pgServer) log() string { return filepath.Join(s.dir, "log") }

// launch starts the process. It dies with this one, and keeps the thread that
// started it for that.
func (s *pgServer) launch() error {
	log, err := os.OpenFile(s.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	// Without fsync: what kills a process here leaves the kernel's cache.
	cmd := s.command("postgres", "-D", s.data(), "-k", s.dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200")
	cmd.Stdout, cmd.Stderr = log, log
	exited, started := make(chan struct{}), make(chan error)
	go func() {
		runtime.LockOSThread() // Pdeathsig is sent when the thread ends
		defer log.Close()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // its exit code says how it was stopped
		}
		close(exited)
	}()
	s.process, s.exited = cmd, exited
	return <-started
}

// answers waits until the server does, or has ended.
func (s *pgServer) answers(deadline time.Time) error {
	db := s.open(nil)
	defer db.Close()
	for {
		ctx, stop := context.WithTimeout(context.Background(), time.Second)
		err := db.PingContext(ctx)
		stop()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		select {
		case <-s.exited:
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// crash kills the server, which cannot say or write a word more, and starts it
// again: it recovers from its log.
func (s *pgServer) crash() error {
	if err := s.stop(syscall.SIGKILL); err != nil {
		return err
	}
	return s.start()
}

func (s *pgServer) stop(how os.Signal) error {
	if err := s.process.Process.Signal(how); err != nil {
		return err
	}
	<-s.exited
	return nil
}

// open returns a pool whose statements are recorded. Settings are those of the
// server: "default_transaction_isolation=serializable".
func (s *pgServer) open(rec *recorder, settings ...string) *sql.DB {
	dsn := s.dsn()
	for _, setting := range settings {
		dsn += " " + setting
	}
	return sql.OpenDB(&connector{driver: stdlib.GetDefaultDriver(), dsn: dsn, rec: rec})
}

func (s *pgServer) dsn() string { return "host=" + s.dir + " user=voice dbname=postgres" }

func TestMain(m *testing.M) {
	if child := children[os.Getenv("VOICE_TEST_CHILD")]; child != nil {
		child()
		return
	}
	code := m.Run()
	if server.process != nil {
		server.stop(syscall.SIGINT)
	}
	if server.dir != "" {
		os.RemoveAll(server.dir)
	}
	os.Exit(code)
}
