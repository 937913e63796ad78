package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// demo is one run.
type demo struct {
	options
	began     time.Time
	dir       string // everything of this run: data, logs
	ports     ports
	family    family
	broker    *broker
	carrierAt carrierAddresses
	cases     []scenario
}

// Files in the directory of a run.
const (
	fileTemporal = "temporal.db"
	fileStore    = "voice.db"
	fileLedger   = "ledger.jsonl"
	dirKafka     = "kafka"
	dirZones     = "zoneinfo"
	dirHome      = "home"
)

func (d *demo) file(name string) string { return filepath.Join(d.dir, name) }

// play starts everything, sends the messages, waits, and audits.
func (d *demo) play(ctx context.Context) (verdict, error) {
	if err := checkBinaries(d.bin); err != nil {
		return verdict{}, err
	}
	var err error
	if d.cases, err = loadCases(); err != nil {
		return verdict{}, err
	}
	if err := d.prepare(); err != nil {
		return verdict{}, err
	}
	printTimes(os.Stdout)
	if err := d.startParts(ctx); err != nil {
		return verdict{}, err
	}
	w, err := newWatch(d)
	if err != nil {
		return verdict{}, err
	}
	defer w.close()
	if err := writeZones(d.file(dirZones), time.Now()); err != nil {
		return verdict{}, err
	}
	if err := d.send(ctx, w); err != nil {
		return verdict{}, fmt.Errorf("sending the messages: %w", err)
	}
	w.show.note(fmt.Sprintf("%d messages acknowledged by Kafka; watch them at %s", len(w.evidence.acks), d.webUI()))
	seen, err := w.untilSettled(ctx)
	if err != nil {
		return verdict{}, err
	}
	return audit(d.cases, seen), nil
}

// send sends the messages. The callee who is still asleep goes first and alone, so
// that on the slowest machine the worker looks at the clock before nine.
func (d *demo) send(ctx context.Context, w *watch) error {
	const patience = dawnIn // later it does not show
	early := 0
	for early < len(d.cases) && d.cases[early].Expect.Deferred != "" {
		early++
	}
	if err := w.send(ctx, 0, early); err != nil {
		return err
	}
	for end := time.Now().Add(patience); len(w.evidence.deferrals) < early && time.Now().Before(end); {
		if _, err := w.look(ctx); err != nil {
			return err
		}
	}
	return w.send(ctx, early, len(d.cases))
}

// prepare makes the directory of this run and picks its ports.
func (d *demo) prepare() (err error) {
	if d.dir, err = os.MkdirTemp("", "voice-demo-"); err != nil {
		return err
	}
	for _, sub := range []string{dirKafka, dirZones, dirHome} {
		if err := os.Mkdir(d.file(sub), 0o700); err != nil {
			return err
		}
	}
	d.ports, err = choosePorts(os.Stderr)
	return err
}

// startParts starts everything and waits until it serves: the seconds until dawn begin with
// the first message, not with the start of a process. What depends on nothing starts first,
// side by side.
func (d *demo) startParts(ctx context.Context) (err error) {
	d.family.dir = d.dir
	if err := d.startTemporal(); err != nil {
		return err
	}
	if err := d.startCarrier(); err != nil {
		return err
	}
	if d.broker, err = startBroker(d.ports.kafka, d.file(dirKafka)); err != nil {
		return err
	}
	if err := d.awaitCarrier(ctx); err != nil {
		return err
	}
	if err := d.awaitTemporal(ctx); err != nil {
		return err
	}
	if err := d.startWorker(); err != nil {
		return err
	}
	if err := d.startConsumer(); err != nil {
		return err
	}
	if err := d.awaitWorker(ctx); err != nil {
		return err
	}
	if err := d.awaitConsumer(ctx); err != nil {
		return err
	}
	fmt.Printf("%s  up: Temporal (%s), Kafka (%s), carrier, worker, consumer (logs in %s)\n",
		clock(d.began), loopback(d.ports.temporal), d.broker.addr, d.dir)
	return nil
}

// cleanUp ends every process and removes what the run wrote, unless it failed.
func (d *demo) cleanUp(status int) {
	d.family.stop()
	d.broker.close()
	switch {
	case d.dir == "":
	case status == exitFailed:
		fmt.Fprintf(os.Stderr, "demo: logs and data of this run are kept in %s\n", d.dir)
	default:
		if err := os.RemoveAll(d.dir); err != nil {
			fmt.Fprintln(os.Stderr, "demo:", err)
		}
	}
}

// linger is -keep: it says where things are, and waits for ctrl-C.
func (d *demo) linger(ctx context.Context) {
	fmt.Fprintf(os.Stderr, "demo: -keep: everything stays up where it says above until ctrl-C, which removes %s\n", d.dir)
	select {
	case <-ctx.Done():
	case c := <-d.family.died():
		fmt.Fprintf(os.Stderr, "demo: %s\n", c.obituary())
	}
}

func (d *demo) webUI() string {
	return fmt.Sprintf("http://127.0.0.1:%d/namespaces/default/workflows", d.ports.webUI)
}

// clock is the time since the demo began, as it stands before each line.
func clock(began time.Time) string {
	return fmt.Sprintf("%5.1fs", time.Since(began).Seconds())
}
