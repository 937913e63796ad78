package main

import (
	"strings"
	"testing"

	"github.com/superservices/voice/kafkasrc"
)

func TestReport(t *testing.T) {
	var out strings.Builder
	report(&out, map[string]int{"invalid_task": 3, "decode": 1}, map[string]int{"too_large": 2}, false)
	const want = "decode         1 replayed\ninvalid_task   3 replayed\ntoo_large      2 left\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func TestClassOf(t *testing.T) {
	m := kafkasrc.Message{Headers: []kafkasrc.Header{{Key: "x"}, {Key: kafkasrc.HeaderClass, Value: []byte("decode")}}}
	if got := classOf(m); got != "decode" {
		t.Errorf("got %q", got)
	}
	if got := classOf(kafkasrc.Message{}); got != "unknown" {
		t.Errorf("got %q", got)
	}
}

// What is wrong is told by the variable's name, before anything is asked of a broker.
func TestRunNamesTheVariable(t *testing.T) {
	t.Setenv("KAFKA_BOOTSTRAP_SERVERS", "a,,b")
	err := options{}.run(t.Context(), &strings.Builder{})
	if err == nil || !strings.Contains(err.Error(), "KAFKA_BOOTSTRAP_SERVERS") {
		t.Errorf("got %v", err)
	}
}

func TestRunNamesTheClasses(t *testing.T) {
	err := options{class: "bogus"}.run(t.Context(), &strings.Builder{})
	if err == nil || !strings.Contains(err.Error(), "invalid_task, decode, too_large") {
		t.Errorf("got %v", err)
	}
}
