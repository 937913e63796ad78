package parts

import "encoding/json"

// Roles of the host binary.
const (
	RoleMigrate  = "migrate"  // makes the tables and ends
	RoleWorker   = "worker"   // a Temporal worker and a receiver of webhooks
	RoleConsumer = "consumer" // Kafka to Temporal
)

// HostConfig is what a process of the library's host gets as its only argument, as
// JSON. Times are Go durations. It has no secrets of anybody's.
type HostConfig struct {
	Role, Name string

	Postgres string // DSN
	Prefix   string // of the tables
	Temporal string // host:port
	Queue    string

	// Of a worker.
	Vapi       string // URL of the platform's API
	Second     string // name of a second account there, next in line after the first; empty: none
	WebhookURL string // where the platform is told to report; empty: no webhooks
	Listen     string // where the webhooks are received, and orders are taken
	Times      HostTimes
	Skew       string // how far the process's clock is ahead
	SwitchFile string // calls are enabled while it is not there
	FenceOff   bool   // the store's compare-and-set for reserved and sending answers yes

	// Of a consumer.
	Brokers       string
	Topic         string
	Group         string
	Protocol      string // of the group
	InFlight      int
	FallbackAfter string // with a Direct as the fallback; empty: none
	Session       string // session.timeout.ms
	MaxPoll       string // max.poll.interval.ms
}

// HostTimes are the policy, shortened.
type HostTimes struct {
	Ring, Longest, Poll, Grace, Redial, Lag, Drain string
}

// Arg is the JSON.
func (c HostConfig) Arg() string {
	b, _ := json.Marshal(c) // strings only
	return string(b)
}

// OrderCancel is the path of the order to cancel a task, which a worker takes on its Listen
// address: POST with the form value task.
const OrderCancel = "/orders/cancel"

// Credentials of the scripted platform.
const (
	VapiToken     = "faults-token"
	VapiNumber    = "faults-number"
	WebhookSecret = "faults-webhook-secret"
	WebhookPath   = "/webhooks/vapi"
)
