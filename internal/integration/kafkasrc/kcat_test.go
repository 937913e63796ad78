package kafkasrc_test

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/superservices/voice/kafkasrc"
)

// TestKcat has the independent client write tasks, one of them with a header and one of nonsense,
// and read the dead letter.
func TestKcat(t *testing.T) {
	if _, err := exec.LookPath("kcat"); err != nil {
		if _, yes := onApache(); yes {
			t.Fatal("kcat is not installed")
		}
		t.Log("kcat is not installed: make test-kafka needs it")
		return
	}
	w := broker(t)
	servers := strings.Join(w.Addrs(), ",")
	kcat := func(in string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "kcat", append([]string{"-b", servers}, args...)...)
		cmd.Stdin = strings.NewReader(in)
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("kcat %v: %v\n%s", args, err, errs.String())
		}
		return string(out)
	}
	kcat(string(value("one"))+"\n"+string(value("two"))+"\n", "-P", "-t", w.topic)
	kcat(string(value("old"))[:len(value("old"))-1]+`,"retry":2}`+"\n", "-P", "-t", w.bulkTopic, "-z", "gzip")
	kcat("k:nonsense\n", "-P", "-t", w.topic, "-K", ":", "-H", "traceparent=00-1-2-01")
	s := &submitter{}
	r := start(t, config(w, s))
	eventually(t, "submitted and buried", func() bool { return s.total() == 3 && r.Stats().DeadLettered == 1 })
	r.mustStop(t)
	got := strings.TrimSpace(kcat("", "-C", "-t", w.dlqTopic, "-e", "-q", "-f", `%k|%s|%h\n`))
	if !strings.HasPrefix(got, "k|nonsense|traceparent=00-1-2-01,") || !strings.Contains(got, kafkasrc.HeaderTopic+"="+w.topic) {
		t.Errorf("kcat reads %q", got)
	}
	if left := kcat("", "-C", "-t", w.topic, "-e", "-q", "-f", `%k\n`); strings.Count(left, "\n") != 3 {
		t.Errorf("kcat reads %q of the topic", left)
	}
}
