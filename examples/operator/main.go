// Command operator is what a person on duty needs: it lists the dials that nobody can
// prove anything about, takes the person's word on them, and looks at and steers tasks.
//
//	operator unknown                     dials whose reply was lost, and since when
//	operator show <task_id>              a task's row: status, reason, dials
//	operator settle <key> <outcome>      how that dial ended, from the platform's own console
//	operator again <task_id> <new_id>    the same task under a new id, which may ring
//	operator hold <task_id> <why>        no further dial
//	operator resume <task_id>
//	operator cancel <task_id>            hang up, no further dial
//	operator erase <task_id>             blank a finished task's personal data
//
// It reads the same variables as examples/worker, of which it needs TEMPORAL_..., VOICE_TASK_QUEUE,
// VOICE_DATABASE and VOICE_PAYLOAD_KEY. Numbers are shown masked. docs/operations.md says when
// to use what.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/superservices/voice/examples/internal/setup"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

func main() { setup.Main("operator", run) }

// run opens what the variables name and does what the arguments say.
func run(ctx context.Context, logger *slog.Logger) error {
	_, service, err := voicetask.ConfigFromEnv(os.Getenv)
	if err != nil {
		return err
	}
	if err := setup.HasRows(); err != nil {
		return err
	}
	temporal, err := setup.Temporal(logger)
	if err != nil {
		return err
	}
	defer temporal.Close()
	rows, closeRows, err := setup.Rows(ctx)
	if err != nil {
		return err
	}
	defer closeRows()
	service.Store, service.Logger = rows, logger
	tasks, err := voicetask.NewClient(temporal, service)
	if err != nil {
		return err
	}
	return desk{tasks: tasks, rows: rows, out: os.Stdout}.do(ctx, os.Args[1:])
}

// rows are what a desk reads by itself.
type rows interface {
	store.Store
	store.Lister
}

// desk is what the person sits at.
type desk struct {
	tasks voicetask.Workflow
	rows  rows
	out   io.Writer
}

// command is one thing a desk does.
type command struct {
	args int    // how many it takes
	use  string // their names
	do   func(ctx context.Context, args []string) error
}

func (d desk) commands() map[string]command {
	one := func(f func(ctx context.Context, taskID string) error) func(context.Context, []string) error {
		return func(ctx context.Context, args []string) error { return f(ctx, args[0]) }
	}
	return map[string]command{
		"unknown": {0, "", func(ctx context.Context, _ []string) error { return d.unknown(ctx) }},
		"show":    {1, "<task_id>", one(d.show)},
		"settle":  {2, "<key> <outcome>", d.settle},
		"again":   {2, "<task_id> <new_id>", d.again},
		"hold":    {2, "<task_id> <why>", func(ctx context.Context, args []string) error { return d.tasks.Hold(ctx, args[0], args[1]) }},
		"resume":  {1, "<task_id>", one(d.tasks.Resume)},
		"cancel":  {1, "<task_id>", one(d.tasks.Cancel)},
		"erase":   {1, "<task_id>", one(d.tasks.Erase)},
	}
}

var errUsage = errors.New("use: operator unknown | show | settle | again | hold | resume | cancel | erase")

func (d desk) do(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	c, ok := d.commands()[args[0]]
	switch {
	case !ok:
		return errUsage
	case len(args)-1 != c.args:
		return fmt.Errorf("use: operator %s %s", args[0], c.use)
	}
	if err := c.do(ctx, args[1:]); err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	return nil
}
