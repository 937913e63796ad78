package main

import (
	"fmt"
	"io"
	"time"
)

// The demo's times. What takes minutes in earnest takes seconds here.
const (
	ringTimeout  = 3 * time.Second
	longestCall  = 6 * time.Second
	redialAfter  = time.Second
	eventGrace   = 3 * time.Second
	pollInterval = 2 * time.Second
	dawnIn       = 12 * time.Second // until calling hours begin for the callee who is asleep

	ringing      = 500 * time.Millisecond // until a callee picks up, or declines
	conversation = 1500 * time.Millisecond
	greeting     = time.Second // of a voicemail box
	analysisLag  = 300 * time.Millisecond
)

func printTimes(w io.Writer) {
	fmt.Fprintln(w, "Times are shortened for the demo:")
	for _, t := range []struct {
		what        string
		here, usual any
	}{
		{"a phone rings unanswered for", ringTimeout, 45 * time.Second},
		{"a call is ended after", longestCall, 15 * time.Minute},
		{"a dial that failed is repeated after", redialAfter, "10s, 20s, 40s"},
		{"silence before a call is asked about", eventGrace, 2 * time.Minute},
		{"then it is asked about every", pollInterval, 20 * time.Second},
		{"a conversation takes", conversation, "as it may"},
	} {
		fmt.Fprintf(w, "  %-38s %-6v (usually %v)\n", t.what, t.here, t.usual)
	}
	fmt.Fprintf(w, "Calling hours are %d to %d where the callee is: it is noon there for all but one, for whom they begin in %v.\n"+
		"Not shortened: the 10s until a rate-limited dial is sent again.\n\n", hoursStart, hoursEnd, dawnIn)
}
