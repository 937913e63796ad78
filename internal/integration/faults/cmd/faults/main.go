// Command faults tries to make the library ring a phone twice or lose a task. "make
// faults" builds what it needs and runs it; docs/faults.md has the table of what it does.
//
// It starts a real PostgreSQL server and Temporal's dev server, both with their data on
// disk, and for each cell of the table a Kafka broker, a carrier, a producer, a consumer
// and two workers, each a process of its own. It kills, freezes and restarts them, at
// fault points and at random, and cuts the connections between them; it runs the cells,
// then a campaign of random faults; and it audits both from outside.
//
// The last line on stdout is one JSON object. The exit status is 0 only if nothing was
// lost, no phone rang twice, every result is the ledger's, every invariant held, and
// there was something that could have gone wrong.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/superservices/voice/internal/integration/faults/run"
)

func main() { os.Exit(realMain(os.Args[1:])) }

func realMain(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop) // a second ctrl-C ends it at once, and the kernel its children
	sub := map[string]func(context.Context, []string) error{
		"broker": broker, "produce": produce,
		"table": func(context.Context, []string) error { fmt.Print(run.Table()); return nil },
	}
	if len(args) > 0 && sub[args[0]] != nil {
		if err := sub[args[0]](ctx, args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "faults:", err)
			return 1
		}
		return 0
	}
	o, err := parse(args)
	if err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "faults:", err)
		}
		return 2
	}
	report, err := run.Play(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		if ctx.Err() != nil {
			return 130
		}
	}
	line, jsonErr := json.Marshal(report)
	if jsonErr != nil {
		fmt.Fprintln(os.Stderr, "faults:", jsonErr)
		return 1
	}
	fmt.Println(string(line))
	if err != nil || !report.OK() {
		return 1
	}
	return 0
}

func parse(args []string) (run.Options, error) {
	o := run.Options{Out: os.Stdout}
	var (
		only  string
		fence string
		long  bool
		seed  string
	)
	f := flag.NewFlagSet("faults", flag.ContinueOnError)
	f.StringVar(&o.Bin, "bin", "bin", "`directory` of carrier, faulthost and faults-virtual")
	f.StringVar(&o.Temporal, "temporal", os.Getenv("TEMPORAL_CLI"), "the Temporal CLI")
	f.StringVar(&seed, "seed", "", "repeat the schedule of a run; empty: a new one")
	f.IntVar(&o.Tasks, "tasks", 1000, "tasks of the campaign")
	f.IntVar(&o.Faults, "faults", 60, "faults of the campaign")
	f.Float64Var(&o.Rate, "rate", 4, "tasks a second in the campaign")
	f.IntVar(&o.Lanes, "lanes", 5, "cells that run at once")
	f.IntVar(&o.Tally, "tally", 20, "tasks of a cell")
	f.StringVar(&only, "only", "", "cells by number, with commas; 0 = none, just the campaign")
	f.BoolVar(&o.Short, "short", false, "the short form: the cells that matter most, 420 tasks, 15 faults")
	f.BoolVar(&long, "long", false, "10,000 tasks and 500 faults")
	f.StringVar(&fence, "fence", "on", "on or off: off takes the fence's compare-and-set away, and there must be double dials then")
	f.BoolVar(&o.Keep, "keep", false, "keep logs and data")
	f.StringVar(&o.SaveTo, "save", "", "`directory` for the evidence of each cell")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 || (fence != "on" && fence != "off") || o.Tasks < 0 || o.Faults < 0 || o.Lanes < 1 || o.Tally < 1 || o.Rate <= 0 {
		return o, errors.New("see faults -h")
	}
	set := map[string]bool{}
	f.Visit(func(f *flag.Flag) { set[f.Name] = true })
	switch {
	case long && !set["tasks"] && !set["faults"]:
		o.Tasks, o.Faults = 10000, 500
	case o.Short && !set["tasks"] && !set["faults"]:
		o.Tasks, o.Faults = 420, 15 // so many tasks that two may end unknown and be fewer than 0.5 %
	}
	o.FenceOff = fence == "off"
	o.Seed = uint64(time.Now().UnixNano() % 1e9)
	if seed != "" {
		n, err := strconv.ParseUint(seed, 10, 64)
		if err != nil {
			return o, errors.New("-seed is no number")
		}
		o.Seed = n
	}
	for part := range strings.SplitSeq(only, ",") {
		if part == "" {
			continue
		}
		n, err := strconv.Atoi(part)
		if err != nil {
			return o, errors.New("-only wants numbers")
		}
		o.Only = append(o.Only, n)
	}
	var err error
	if o.Self, err = os.Executable(); err != nil {
		return o, err
	}
	o.Bin, err = filepath.Abs(o.Bin)
	return o, err
}
