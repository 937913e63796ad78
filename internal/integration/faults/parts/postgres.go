package parts

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// Postgres is a real PostgreSQL server on a loopback port. What it acknowledged
// outlives its own death; fsync is off, so not that of the machine.
type Postgres struct {
	Port int

	family    *Family
	bin, data string
	as        *syscall.Credential // PostgreSQL refuses to run as root
	child     *Child
}

// ErrNoPostgres says how to get one.
var ErrNoPostgres = errors.New("no PostgreSQL server under /usr/lib/postgresql: apt-get install postgresql")

// StartPostgres makes an empty cluster and starts the server.
func StartPostgres(ctx context.Context, f *Family) (*Postgres, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) == 0 {
		return nil, ErrNoPostgres
	}
	p := &Postgres{Port: FreePort(), family: f, bin: filepath.Dir(slices.Max(found)), data: filepath.Join(f.Dir, "pg", "data")}
	if err := p.initialize(); err != nil {
		return nil, err
	}
	return p, p.Start(ctx)
}

func (p *Postgres) initialize() error {
	dir := filepath.Dir(p.data)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		var err error
		if p.as, err = unprivileged(); err != nil {
			return err
		}
		if err := os.Chown(dir, int(p.as.Uid), int(p.as.Gid)); err != nil {
			return err
		}
		if err := os.Chmod(p.family.Dir, 0o755); err != nil { // it must be able to get there
			return err
		}
	}
	cmd := exec.Command(filepath.Join(p.bin, "initdb"), "-D", p.data, "-U", "voice", "-A", "trust", "-N", "-E", "UTF8", "--locale=C")
	cmd.Dir, cmd.SysProcAttr = dir, &syscall.SysProcAttr{Credential: p.as}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("parts: initdb: %w\n%s", err, out)
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

// DSN is how to connect through a port: the server's own or a proxy's.
func DSN(port int) string {
	return fmt.Sprintf("host=127.0.0.1 port=%d user=voice dbname=postgres sslmode=disable connect_timeout=5", port)
}

// Start runs the server and waits until it answers. After a kill the old server's
// children may hold the shared memory for a moment, so a start that fails is repeated.
func (p *Postgres) Start(ctx context.Context) error {
	db, err := sql.Open("pgx", DSN(p.Port))
	if err != nil {
		return err
	}
	defer db.Close()
	return Await(ctx, "PostgreSQL answers", 60*time.Second, func(ctx context.Context) bool {
		if p.child == nil || !p.child.Running() {
			p.child, err = p.family.Start(Spec{
				Name: "postgres", Path: filepath.Join(p.bin, "postgres"), As: p.as, Dir: filepath.Dir(p.data),
				Args: []string{
					"-D", p.data, "-k", filepath.Dir(p.data), "-p", strconv.Itoa(p.Port), "-c", "listen_addresses=127.0.0.1",
					"-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=400", "-c", "restart_after_crash=on",
				},
			})
			if err != nil {
				return false
			}
			p.child.want() // it may end by itself while the old one is being cleared away
		}
		bounded, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		return db.PingContext(bounded) == nil
	})
}

// Child is the server's process; its children serve one connection each.
func (p *Postgres) Child() *Child { return p.child }

// KillBackend kills the process behind one connection, which makes the server throw
// all connections out and recover.
func (p *Postgres) KillBackend(ctx context.Context, db *sql.DB) error {
	var pid int
	err := db.QueryRowContext(ctx, `SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() LIMIT 1`).Scan(&pid)
	if err != nil {
		return err
	}
	return syscall.Kill(pid, syscall.SIGKILL)
}
