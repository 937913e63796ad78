// Package kafkasrc submits voice tasks that arrive on Kafka topics.
//
// You give it brokers and a [voicetask.Submitter]; it joins the consumer group,
// decodes and validates each record, submits many at a time, puts what can never
// be a task on a dead-letter topic, and commits an offset only after everything
// below it is settled:
//
//	cfg, err := kafkasrc.ConfigFromEnv(os.Getenv)
//	...
//	cfg.Submitter = client // *voicetask.Client
//	consumer, err := kafkasrc.NewConsumer(cfg)
//	...
//	err = consumer.Run(ctx) // until ctx is cancelled
//
// [Consumer.Run] reads two topics, each with a consumer of its own: the main one,
// and a bulk topic (Config.BulkTopic) whose lane takes only a share of the Submits
// in flight, so that a campaign of a million tasks does not delay a single urgent
// one. [Replay] puts dead letters back where they came from. [Producer] writes
// tasks in the message contract.
//
// It is the only package of the library that needs cgo: it uses
// confluent-kafka-go, which links librdkafka.
//
// # Guarantees
//
// At least once, made effectively once by the task id. A record is settled when its
// task was accepted by the Submitter (an id already known counts as accepted), or
// when its dead letter was acknowledged by the brokers. Nothing else settles it:
//
//   - A Submit that fails is tried again, with a growing pause of up to five
//     seconds, for as long as the partition is ours. The record keeps its place
//     meanwhile; when all places are taken the topic is paused, membership in the
//     group is kept, and nothing is lost or skipped. So it is with a dead letter
//     that the brokers do not take.
//   - Committed offsets never pass a record that is not settled. After a crash the
//     records above the committed offset come again: about a third of a second of them
//     (the setting auto.commit.interval.ms, and a tenth of a second), and what was
//     settled behind a record that waits, at most 1,024 in a partition (or twice
//     Config.InFlight, if that is more).
//   - Records of one partition are submitted concurrently: no order is promised.
//   - A rebalance finishes what is in hand for a bounded time and commits before it
//     gives a partition away. What is not finished comes again at the next owner.
//   - A dead letter keeps key, value and headers of the record byte for byte and adds
//     headers (HeaderTopic and so on) that say where it came from and why. It may
//     exist twice after a crash, never zero times.
//
// # Stopping
//
// Cancelling the context of Run takes no new record, lets Submits in progress
// finish for Config.DrainTimeout, commits, leaves the group and returns nil. Run
// returns within twice DrainTimeout (at least five seconds each) and a second or two,
// also when brokers or the Submitter hang; it then returns an error that says so.
//
// # Records that are too large
//
// A record larger than Config.MaxMessageBytes is received and becomes a dead letter
// of its own class. Give the dead-letter topic a max.message.bytes somewhat larger
// than the input topics have, since the added headers take up to 3 KiB: a dead
// letter that the brokers refuse holds its partition, by design, until they take it.
// Records beyond about 100 MB are not received at all (receive.message.max.bytes).
//
// # Logs
//
// Config.Logger gets conditions rather than records: the first occurrence, then
// at most one line a minute, then one when it is over. No line holds a value, a key,
// a header or a setting; in error texts of the Submitter and of Config.Decode long
// runs of digits, and quoted text that occurs in the record, are masked.
package kafkasrc
