// Package kafkasrc_test runs kafkasrc with the real client against kfake, a Kafka broker
// in this process, over TCP.
package kafkasrc_test

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
