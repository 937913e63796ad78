// Package run drives the fault harness: the cells of the table, the random campaign,
// and the report. It imports nothing of the library; the library runs in processes of
// its own, which it breaks.
package run

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/superservices/voice/internal/integration/faults/parts"
	"github.com/superservices/voice/internal/integration/faults/pgserver"
	"github.com/superservices/voice/internal/integration/faults/pulse"
)

// Names of the message contract, the same in each lane: each has a broker of its own.
const (
	Topic       = "agent_outbound_requests"
	DeadLetters = Topic + "_dlq"
	Group       = Topic + "_group"
	Partitions  = 4
)

// Options are the flags of the command.
type Options struct {
	Bin      string // directory of carrier, faulthost and faults-virtual
	Self     string // this command: it is the broker and the producer, too
	Temporal string // the CLI
	Seed     uint64
	Tasks    int // of the campaign
	Faults   int // of the campaign
	Rate     float64
	Lanes    int // cells at once
	Tally    int // tasks of a cell
	Only     []int
	Short    bool
	NoCells  bool
	FenceOff bool
	Keep     bool
	SaveTo   string // evidence of the cells
	Out      io.Writer
}

// World is the servers that the lanes share, and what they have in common.
type World struct {
	Options
	dir      string
	family   *parts.Family
	postgres *pgserver.Server
	temporal *parts.Temporal
	db       *sql.DB
	client   client.Client
	began    time.Time
	pulse    *pulse.Pulse // of the machine

	mu    sync.Mutex
	lanes int
}

// Open starts the servers. Close must be called, whatever it returns.
func (w *World) Open(ctx context.Context) (err error) {
	w.began = time.Now()
	w.pulse = pulse.Start()
	if err := w.check(); err != nil {
		return err
	}
	if w.dir, err = os.MkdirTemp("", "voice-faults-"); err != nil {
		return err
	}
	w.family = parts.NewFamily(w.dir, environment(w.dir))
	started := make(chan error, 2)
	go func() {
		var err error
		w.postgres, err = pgserver.Start(ctx, w.family, parts.FreePort())
		started <- err
	}()
	go func() {
		var err error
		w.temporal, err = parts.StartTemporal(ctx, w.family, w.Temporal)
		started <- err
	}()
	if err := errors.Join(<-started, <-started); err != nil {
		return err
	}
	if w.client, err = w.temporal.Client(); err != nil {
		return err
	}
	if w.db, err = sql.Open("pgx", pgserver.DSN(w.postgres.Port)); err != nil {
		return err
	}
	w.db.SetMaxOpenConns(20)
	return nil
}

// check says how to get what is missing.
func (w *World) check() error {
	for _, name := range []string{"carrier", "faulthost", "faults-virtual"} {
		if _, err := os.Stat(filepath.Join(w.Bin, name)); err != nil {
			return fmt.Errorf("there is no %s in %s: \"make faults\" builds it", name, w.Bin)
		}
	}
	if _, err := os.Stat(w.Temporal); err != nil {
		return fmt.Errorf("there is no Temporal CLI at %s: \"make faults\" builds it, or set TEMPORAL_CLI", w.Temporal)
	}
	return nil
}

// environment is what every child gets: nothing of the user's own configuration.
func environment(home string) []string {
	env := []string{"HOME=" + home, "XDG_CONFIG_HOME=" + home}
	for _, name := range []string{"PATH", "TMPDIR", "LANG"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// Close ends every process and removes what the run wrote, unless it is to be kept.
func (w *World) Close(keep bool) {
	if w.pulse != nil {
		w.pulse.End()
	}
	if w.client != nil {
		w.client.Close()
	}
	if w.db != nil {
		_ = w.db.Close()
	}
	if w.family != nil {
		w.family.End()
	}
	switch {
	case w.dir == "":
	case keep || w.Keep:
		fmt.Fprintf(w.Out, "logs and data of this run are kept in %s\n", w.dir)
	default:
		_ = os.RemoveAll(w.dir)
	}
}

// say prints a line with the time since the beginning.
func (w *World) say(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fmt.Fprintf(w.Out, "%6.1fs  %s\n", time.Since(w.began).Seconds(), fmt.Sprintf(format, args...))
}

// number gives each lane its own.
func (w *World) number() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lanes++
	return w.lanes
}
