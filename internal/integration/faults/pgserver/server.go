// Package pgserver runs a real PostgreSQL server of its own, for the fault harness and
// for the tests of the store: on an empty cluster, on a unix socket in a directory of its
// own and, where that is asked for, on a loopback port. What it acknowledged outlives its
// own death; fsync is off, so not that of the machine.
//
// Like the rest of the harness it imports nothing of the library, and is for Linux.
package pgserver

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"github.com/superservices/voice/internal/integration/faults/parts"
)

// Server is one PostgreSQL server.
type Server struct {
	Port int    // on the loopback interface; 0 = the socket only
	Dir  string // of its socket and its data

	family *parts.Family
	bin    string
	as     *syscall.Credential // PostgreSQL refuses to run as root
	child  *parts.Child
}

// Start makes an empty cluster in the family's directory and starts the server. Port 0
// leaves it at the unix socket. Without PostgreSQL on the machine the error is ErrMissing.
func Start(ctx context.Context, f *parts.Family, port int) (*Server, error) {
	bin, err := Programs()
	if err != nil {
		return nil, err
	}
	s := &Server{Port: port, Dir: filepath.Join(f.Dir, "pg"), family: f, bin: bin}
	if err := s.initialize(); err != nil {
		return nil, err
	}
	return s, s.Start(ctx)
}

// DSN is how to connect through a port: a server's own or a proxy's.
func DSN(port int) string {
	return fmt.Sprintf("host=127.0.0.1 port=%d user=voice dbname=postgres sslmode=disable connect_timeout=5", port)
}

// SocketDSN is how to connect by the unix socket in dir: the server's own, or that of
// something in between.
func SocketDSN(dir string) string { return "host=" + dir + " user=voice dbname=postgres" }

// Socket is the name of the unix socket in Dir.
const Socket = ".s.PGSQL.5432"

// startTime bounds the start of a server, recovery after a crash included.
const startTime = 3 * time.Minute

// Start runs the server and waits until it answers. After a kill the old server's
// children may hold the shared memory for a moment, so a start that fails is repeated.
func (s *Server) Start(ctx context.Context) error {
	db, err := sql.Open("pgx", s.dsn())
	if err != nil {
		return err
	}
	defer db.Close()
	err = parts.Await(ctx, "PostgreSQL answers", startTime, func(ctx context.Context) bool {
		if s.child == nil || !s.child.Running() {
			if s.child, err = s.launch(); err != nil {
				return false
			}
		}
		bounded, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		return db.PingContext(bounded) == nil
	})
	if err != nil && s.child != nil {
		text, _ := os.ReadFile(s.child.Log)
		err = fmt.Errorf("%w\n%s", err, text)
	}
	return err
}

func (s *Server) launch() (*parts.Child, error) {
	args := []string{
		"-D", s.data(), "-k", s.Dir, "-c", "fsync=off", "-c", "full_page_writes=off",
		"-c", "max_connections=400", "-c", "restart_after_crash=on",
	}
	if s.Port == 0 {
		args = append(args, "-c", "listen_addresses=")
	} else {
		args = append(args, "-c", "listen_addresses=127.0.0.1", "-p", strconv.Itoa(s.Port))
	}
	c, err := s.family.Start(parts.Spec{Name: "postgres", Path: filepath.Join(s.bin, "postgres"), As: s.as, Dir: s.Dir, Args: args})
	if err == nil {
		c.MayEnd() // by itself, while the old one is being cleared away
	}
	return c, err
}

func (s *Server) dsn() string {
	if s.Port == 0 {
		return SocketDSN(s.Dir)
	}
	return DSN(s.Port)
}

// Child is the server's process; its children serve one connection each.
func (s *Server) Child() *parts.Child { return s.child }

// Crash kills the server, which cannot say or write a word more, and starts it again: it
// recovers from its log.
func (s *Server) Crash(ctx context.Context) error {
	s.child.Kill()
	return s.Start(ctx)
}

// KillBackend kills the process behind one connection, which makes the server throw
// all connections out and recover.
func (s *Server) KillBackend(ctx context.Context, db *sql.DB) error {
	var pid int
	err := db.QueryRowContext(ctx, `SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() LIMIT 1`).Scan(&pid)
	if err != nil {
		return err
	}
	return syscall.Kill(pid, syscall.SIGKILL)
}
