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
	"slices"
	"strconv"
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
}

// postgresServer returns the running server, or skips the test.
func postgresServer(t testing.TB) *pgServer {
	t.Helper()
	s := &server
	s.once.Do(func() {
		found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
		if len(found) == 0 {
			return
		}
		s.bin = filepath.Dir(slices.Max(found))
		if s.err = s.initialize(); s.err == nil {
			s.err = s.start()
		}
	})
	if s.bin == "" && os.Getenv("CI") == "true" {
		t.Fatal("no PostgreSQL server under /usr/lib/postgresql, and CI must test on one; apt-get install postgresql")
	}
	if s.bin == "" {
		t.Skip("no PostgreSQL server under /usr/lib/postgresql; apt-get install postgresql")
	}
	if s.err != nil {
		t.Fatal(s.err)
	}
	return &s.pgServer
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
	out, err := s.command("initdb", "-D", s.data(), "-U", "voice", "-A", "trust", "-N", "-E", "UTF8",
		"--locale=C", "--locale-provider=icu", "--icu-locale=en").CombinedOutput()
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

// start runs the server and waits until it answers. It dies with this process, and
// keeps the thread that started it for that.
func (s *pgServer) start() error {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	s.process = s.command("postgres", "-D", s.data(), "-k", s.dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200")
	s.process.Stdout, s.process.Stderr = log, log
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // Pdeathsig is sent when the thread ends
		started <- s.process.Start()
		select {}
	}()
	if err := <-started; err != nil {
		return err
	}
	db := s.open(nil)
	defer db.Close()
	deadline := time.Now().Add(30 * time.Second)
	for {
		ctx, stop := context.WithTimeout(context.Background(), time.Second)
		err := db.PingContext(ctx)
		stop()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(log.Name())
			return fmt.Errorf("postgres does not answer: %w\n%s", err, text)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// crash kills the server without a word and starts it again.
func (s *pgServer) crash() error {
	// SIGQUIT is an immediate shutdown: no checkpoint, recovery at the next start.
	if err := s.stop(syscall.SIGQUIT); err != nil {
		return err
	}
	return s.start()
}

func (s *pgServer) stop(how os.Signal) error {
	if err := s.process.Process.Signal(how); err != nil {
		return err
	}
	s.process.Wait() // its exit code says how it was stopped
	return nil
}

// open returns a pool whose statements are recorded. Settings are those of the
// server: "default_transaction_isolation=serializable".
func (s *pgServer) open(rec *recorder, settings ...string) *sql.DB {
	dsn := "host=" + s.dir + " user=voice dbname=postgres"
	for _, setting := range settings {
		dsn += " " + setting
	}
	return sql.OpenDB(&connector{driver: stdlib.GetDefaultDriver(), dsn: dsn, rec: rec})
}

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
