package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// report prints the summary, where to look further, and as the last line the JSON
// object.
func (d *demo) report(w io.Writer, v verdict) {
	fmt.Fprintln(w)
	v.summary(w)
	for _, m := range v.wrong {
		fmt.Fprintln(w, "MISMATCH:", m)
	}
	if v.ok() {
		fmt.Fprintln(w, "Every task and every broken message ended as tasks.jsonl has it.")
	}
	d.places(w)
	seconds := time.Since(d.began).Seconds()
	line, err := json.Marshal(struct {
		verdict
		Seconds float64 `json:"seconds"`
	}{v, float64(int(seconds*10)) / 10})
	if err != nil {
		line = []byte(fmt.Sprintf(`{"error":%q}`, err))
	}
	fmt.Fprintf(w, "%s\n", line)
}

// summary is the table by outcome.
func (v verdict) summary(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "outcome\tstatus\ttasks\tdials\trings\t")
	var sum outcomeLine
	for _, o := range v.outcomes {
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t\n", o.outcome, o.status, o.tasks, o.dials, o.rings)
		sum.tasks, sum.dials, sum.rings = sum.tasks+o.tasks, sum.dials+o.dials, sum.rings+o.rings
	}
	fmt.Fprintf(t, "\t\t%d\t%d\t%d\t\n", sum.tasks, sum.dials, sum.rings)
	_ = t.Flush() // to a terminal or a file; the exit status does not hang on it

	classes := make([]string, 0, len(v.classes))
	for _, c := range slices.Sorted(maps.Keys(v.classes)) {
		classes = append(classes, fmt.Sprintf("%d %s", v.classes[c], c))
	}
	fmt.Fprintf(w, "\n%d messages: %d tasks, %d messages sent again, %d dead letters (%s)\n",
		v.Messages, v.Tasks, v.Duplicates, v.DeadLetters, strings.Join(classes, ", "))
	fmt.Fprintf(w, "%d lost, %d dialled twice, counted from Kafka's acknowledgements and the carrier's ledger\n", v.Lost, v.DoubleDials)
}

// places says where to look.
func (d *demo) places(w io.Writer) {
	if !d.keep {
		fmt.Fprintf(w, "\nWeb UI: %s (use -keep, as in make demo ARGS=-keep, to leave it up)\n", d.webUI())
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\nWeb UI\t%s\n", d.webUI())
	fmt.Fprintf(t, "Temporal\t%s\n", loopback(d.ports.temporal))
	fmt.Fprintf(t, "Kafka\t%s (%s, %s, %s)\n", d.broker.addr, topicNormal, topicBulk, topicDeadLetters)
	fmt.Fprintf(t, "Vapi, LiveKit\thttp://%s, http://%s\n", d.carrierAt.Vapi, d.carrierAt.LiveKit)
	fmt.Fprintf(t, "store\t%s\n", d.file(fileStore))
	fmt.Fprintf(t, "rings\t%s\n", d.file(fileLedger))
	fmt.Fprintf(t, "logs\t%s\n", d.file("*.log"))
	_ = t.Flush()
	d.tries(w)
}

// tries are commands for a second terminal: a call of one's own, and a look at it. The
// number is one that answers, and the zone is the demo's, where it is noon.
func (d *demo) tries(w io.Writer) {
	message := fmt.Sprintf(`{"task_id": "mine-1", "agent_id": "agent-7", "data": {"contact_number": "+12125550106"}, "time_zone": %q}`, zoneNoon)
	fmt.Fprintf(w, "\nSend a message, and look at its task from examples/ (operator says more of what it can do):\n")
	fmt.Fprintf(w, "  echo '%s' | kcat -P -b %s -t %s\n", message, d.broker.addr, topicNormal)
	fmt.Fprintf(w, "  VOICE_DATABASE=%s TEMPORAL_ADDRESS=%s go run ./operator show mine-1\n", d.file(fileStore), loopback(d.ports.temporal))
}
