// Package kafkasrc_test runs kafkasrc with the real client: against kfake, a Kafka broker in this
// process, over TCP, or, with make test-kafka, against a cluster of Apache Kafka. Tests whose names
// begin with Injected have brokers answer errors that only kfake can be told to answer.
package kafkasrc_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if brokers := os.Getenv(envMember); brokers != "" {
		os.Exit(runMember(brokers))
	}
	if job := os.Getenv(envReplay); job != "" {
		os.Exit(runReplay(job))
	}
	code := suite{m}.Run()
	if code == 0 && !nothingRuns() {
		code = 1
	}
	os.Exit(code)
}

// nothingRuns waits until every goroutine has ended, and says which have not: clients that were
// closed take their time on a busy machine.
func nothingRuns() bool {
	err := goleak.Find()
	for until := time.Now().Add(patience); err != nil && time.Now().Before(until); {
		err = goleak.Find() // looks again and again for half a second
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "goroutines are left:", err)
	}
	return err == nil
}

// suite ends the shared brokers behind the last test.
type suite struct{ m *testing.M }

func (s suite) Run() int {
	defer func() {
		if shared.apache != nil {
			shared.apache.Close()
		}
	}()
	return s.m.Run()
}
