// Command demo shows the library at work on one machine, with nothing installed
// beforehand: real tasks go from Kafka through a real Temporal server and a
// provider into a database, and every phone that rings is counted by a witness from
// outside. "make demo" builds the parts and runs it.
//
// It starts, each as a process of its own: Temporal's dev server with its Web UI,
// the carrier (a telephone network behind fakes of Vapi's and LiveKit's HTTP
// APIs), examples/worker and examples/consumer; and a Kafka broker, kfake, inside
// itself. Then it sends the messages of tasks.jsonl, good and broken ones, and
// watches until each has ended.
//
// What it says in the end it has counted for itself: it imports nothing of the
// library. It compares what Kafka acknowledged with the rows of the SQLite file and
// the records on the dead-letter topic, and the rings in the carrier's ledger with
// the one number that each task has.
//
// The last line on stdout is one JSON object. The exit status is 0 only if every
// task and every broken message ended as tasks.jsonl has it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Exit statuses.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// options are the flags.
type options struct {
	bin   string
	keep  bool
	limit time.Duration
}

func main() { os.Exit(realMain(os.Args[1:])) }

func realMain(args []string) int {
	var o options
	f := flag.NewFlagSet("demo", flag.ContinueOnError)
	f.StringVar(&o.bin, "bin", "bin", "`directory` of temporal, carrier, worker and consumer, as make demo builds them")
	f.BoolVar(&o.keep, "keep", false, "leave everything up after the run, until ctrl-C")
	f.DurationVar(&o.limit, "limit", 5*time.Minute, "longest time to wait for all tasks to end")
	switch err := f.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil || f.NArg() > 0 || o.limit <= 0:
		fmt.Fprintln(os.Stderr, "demo: see demo -h")
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop) // a second ctrl-C ends the demo at once, and the kernel its children
	return run(ctx, o)
}

// run is the demo from beginning to end. Whatever happens in it, panics included, it
// leaves no process behind.
func run(ctx context.Context, o options) (status int) {
	status = exitFailed // also for a panic
	d := &demo{options: o, began: time.Now()}
	defer func() { d.cleanUp(status) }()
	found, err := d.play(ctx)
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "demo: interrupted; cleaning up")
		return exitInterrupted
	case err != nil:
		fmt.Fprintln(os.Stderr, "demo:", err)
		d.family.tails(os.Stderr)
		return exitFailed
	case !found.ok():
		d.family.tails(os.Stderr)
	default:
		status = exitOK
	}
	d.report(os.Stdout, found)
	if o.keep {
		d.linger(ctx)
	}
	return status
}
