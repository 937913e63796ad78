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
	done string // what was done, a format of the args; empty: do has shown it
}

func (d desk) commands() map[string]command {
	one := func(f func(ctx context.Context, taskID string) error) func(context.Context, []string) error {
		return func(ctx context.Context, args []string) error { return f(ctx, args[0]) }
	}
	return map[string]command{
		"unknown": {0, "", func(ctx context.Context, _ []string) error { return d.unknown(ctx) }, ""},
		"show":    {1, "<task_id>", one(d.show), ""},
		"settle":  {2, "<key> <outcome>", d.settle, "settled: dial %s ended %s"},
		"again":   {2, "<task_id> <new_id>", d.again, "submitted: the task of %s as %s"},
		"hold":    {2, "<task_id> <why>", d.hold, "held: %[1]s makes no further dial until it is resumed"},
		"resume":  {1, "<task_id>", one(d.tasks.Resume), "resumed: %s goes on"},
		"cancel":  {1, "<task_id>", one(d.tasks.Cancel), "cancelled: %s makes no further dial, and its call is hung up"},
		"erase":   {1, "<task_id>", one(d.tasks.Erase), "erased: the row of %s holds no personal data any more; Kafka, Temporal's history and the platform may"},
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
	return d.say(c.done, args[1:])
}

// say tells what was done: a command that changes something must not be silent. It says
// ids, as the tables do, and outcomes, and nothing from the row.
func (d desk) say(done string, args []string) error {
	if done == "" {
		return nil
	}
	shown := make([]any, len(args))
	for i, a := range args {
		shown[i] = a
	}
	_, err := fmt.Fprintf(d.out, done+"\n", shown...)
	return err
}
