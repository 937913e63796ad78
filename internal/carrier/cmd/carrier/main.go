// Command carrier is the telephone network of the demo and the fault tests, as a
// process of its own: a fake of Vapi and a fake of LiveKit on two loopback ports,
// over one scripted network that writes down every ring.
//
// It is the witness from outside. Of this module it imports package carrier and
// what is below it, nothing else (a test keeps that so), and its ledger is a file
// that is only appended to, each line on disk before the phone is said to ring. So
// whatever becomes of a worker, a store or the library itself, the ledger tells
// which numbers rang and how often.
//
// It prints one line of JSON when it serves:
//
//	{"vapi":"127.0.0.1:40001","livekit":"127.0.0.1:40002","ledger":"/tmp/ledger.jsonl"}
//
// and ends, calls hung up, on SIGTERM or an interrupt.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/superservices/voice/internal/carrier"
)

// options are the flags.
type options struct {
	vapiPort, livekitPort int
	controlPort           int // 0: none
	ledger                string
	pace                  carrier.Pace

	vapiToken   string
	analysisLag time.Duration

	livekitKey, livekitSecret string
	livekitTrunks             []string
	livekitAgents             []string
	livekitWebhook            string
}

func main() {
	o, err := parse(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "carrier:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err = run(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "carrier:", err)
		os.Exit(1)
	}
}

func parse(args []string, usage io.Writer) (options, error) {
	var (
		o              options
		trunks, agents string
	)
	f := flag.NewFlagSet("carrier", flag.ContinueOnError)
	f.SetOutput(usage)
	f.IntVar(&o.vapiPort, "vapi-port", 0, "loopback `port` of Vapi's API; 0 takes a free one")
	f.IntVar(&o.livekitPort, "livekit-port", 0, "loopback `port` of LiveKit's API; 0 takes a free one")
	f.IntVar(&o.controlPort, "control-port", 0, "loopback `port` on which the fake of Vapi can be told to misbehave; 0: none")
	f.StringVar(&o.ledger, "ledger", "", "`file` that each ring is appended to (required)")
	f.DurationVar(&o.pace.Setup, "setup", carrier.DefaultPace.Setup, "time from a dial to the first ring")
	f.DurationVar(&o.pace.Ring, "ring", carrier.DefaultPace.Ring, "time from the first ring to the callee's reaction")
	f.DurationVar(&o.pace.Talk, "talk", carrier.DefaultPace.Talk, "length of a conversation")
	f.DurationVar(&o.pace.Machine, "machine", carrier.DefaultPace.Machine, "length of a voicemail greeting")
	f.StringVar(&o.vapiToken, "vapi-token", "", "key that requests to Vapi must bear; empty takes any")
	f.DurationVar(&o.analysisLag, "analysis-lag", 0, "time from a call's end to Vapi's report with transcript and cost")
	f.StringVar(&o.livekitKey, "livekit-key", "key", "LiveKit's API key")
	f.StringVar(&o.livekitSecret, "livekit-secret", "secret", "LiveKit's API secret")
	f.StringVar(&trunks, "livekit-trunks", "ST_fake", "ids of LiveKit's outbound trunks, with commas")
	f.StringVar(&agents, "livekit-agents", "", "names of LiveKit's registered agents, with commas")
	f.StringVar(&o.livekitWebhook, "livekit-webhook", "", "`URL` that LiveKit reports to; empty: none")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.livekitTrunks, o.livekitAgents = list(trunks), list(agents)
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("%q is no flag", f.Arg(0))
	case o.ledger == "":
		return o, errors.New("-ledger is missing: name the file for the rings")
	case o.pace.Setup < 0 || o.pace.Ring < 0 || o.pace.Talk < 0 || o.pace.Machine < 0 || o.analysisLag < 0:
		return o, errors.New("a duration is negative")
	}
	return o, nil
}

func list(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}
