package parts

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
)

// Temporal is the dev server with its database on disk.
type Temporal struct {
	Port int

	family *Family
	cli    string
	child  *Child
}

// StartTemporal starts the server of that CLI.
func StartTemporal(ctx context.Context, f *Family, cli string) (*Temporal, error) {
	t := &Temporal{Port: FreePort(), family: f, cli: cli}
	return t, t.Start(ctx)
}

// Start runs the server on its database and waits until it serves. The dynamic
// settings take away the two brakes of a development server.
func (t *Temporal) Start(ctx context.Context) (err error) {
	t.child, err = t.family.Start(Spec{
		Name: "temporal", Path: t.cli,
		Args: []string{
			"server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", strconv.Itoa(t.Port),
			"--db-filename", t.database(), "--log-level", "error",
			"--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=off",
			"--dynamic-config-value", "frontend.enableServerVersionCheck=false",
			"--dynamic-config-value", "history.transferProcessorMaxPollRPS=10000",
			"--dynamic-config-value", "matching.numTaskqueueReadPartitions=1",
			"--dynamic-config-value", "matching.numTaskqueueWritePartitions=1",
		},
	})
	if err != nil {
		return err
	}
	t.child.MayEnd()
	c, err := t.Client()
	if err != nil {
		return err
	}
	defer c.Close()
	return Await(ctx, "Temporal serves", 3*time.Minute, func(ctx context.Context) bool {
		bounded, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		_, err := c.CheckHealth(bounded, nil)
		return err == nil
	})
}

func (t *Temporal) database() string { return filepath.Join(t.family.Dir, "temporal.db") }

// Lose removes the database of a server that has ended.
func (t *Temporal) Lose() error {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(t.database() + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Client connects to the server when it is first used.
func (t *Temporal) Client() (client.Client, error) {
	return client.NewLazyClient(client.Options{HostPort: Loopback(t.Port), Logger: quiet{}})
}

// Child is the server's process.
func (t *Temporal) Child() *Child { return t.child }

// quiet is a logger that does not.
type quiet struct{}

var _ log.Logger = quiet{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
