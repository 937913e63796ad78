// Package kafkasrc_test runs kafkasrc with the real client: against kfake, a Kafka broker in this
// process, over TCP, or, with make test-kafka, against a cluster of Apache Kafka. Tests whose names
// begin with Injected have brokers answer errors that only kfake can be told to answer.
package kafkasrc_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if brokers := os.Getenv(envMember); brokers != "" {
		os.Exit(runMember(brokers))
	}
	goleak.VerifyTestMain(suite{m})
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
