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
//   - A Submit that fails, or panics, is tried again, with a growing pause of up to
//     five seconds, for as long as the partition is ours. The record keeps its place
//     meanwhile; when all places are taken the topic is paused, membership in the
//     group is kept, and nothing is lost or skipped. So it is with a dead letter
//     that the brokers do not take.
//   - Committed offsets never pass a record that is not settled. After a crash the
//     records above the committed offset come again: about a third of a second of them
//     (the setting auto.commit.interval.ms, and a tenth of a second), and what was
//     settled behind a record that waits, at most 1,024 in a partition (or twice
//     Config.InFlight, if that is more).
//     Records that were settled while no coordinator took commits belong to them, so
//     session.timeout.ms (45 s here; the brokers' own with GroupProtocol "consumer") is to
//     outlast a coordinator's failover: a session that ends meanwhile is as good as a crash.
//   - A process that stood still for more than five seconds, frozen or starved, starts nothing
//     for five seconds, or until the brokers have spoken: its partitions may be another's by now.
//   - Records of one partition are submitted concurrently: no order is promised.
//   - A rebalance finishes what is in hand for a bounded time and commits before it
//     gives a partition away. What is not finished comes again at the next owner.
//   - A dead letter keeps key, value and headers of the record byte for byte and adds
//     headers (HeaderTopic and so on) that say where it came from and why. It may
//     exist twice after a crash, never zero times.
//   - Replay puts each one back once, also if it is killed in the middle and run again.
//
// # Stopping
//
// Cancelling the context of Run takes no new record, lets Submits in progress
// finish for Config.DrainTimeout, commits, leaves the group and returns nil. Run
// returns within twice DrainTimeout (at least five seconds each) and a second or two,
// also when brokers or the Submitter hang; it then returns an error that says so.
//
// librdkafka before 2.14.2, such as that of confluent-kafka-go 2.11.1, which this module asks for, may
// crash when it leaves a group whose coordinator is away (librdkafka#5347). Such a crash is one like any other:
// what was not committed comes again. A host's go.mod may ask for a later one.
//
// # A group that is there already
//
// Consumers of one group share out its partitions in one way, here cooperative-sticky. Those of other
// libraries, and older ones, mostly use "range", and the brokers let nobody in who does not ("Inconsistent group
// protocol" in the log, and Stats.Ready stays false). To take over from them stop them first: the group's
// offsets stay. To run beside them set partition.assignment.strategy to theirs in Config.Librdkafka; when they
// are gone, a stop of all consumers goes before taking it out again.
//
// # While Temporal is away
//
// Records wait, or, if Config.Fallback is set, go to it once every Submit has failed for
// Config.FallbackAfter: usually a *voicetask.Direct with the same store beside a
// *voicetask.Client. Its Run has to run beside the Consumer's, and its Config has what a worker's
// has: providers, hours, gates. Both claim a task in its row before they do anything, so a workflow that was
// started although the answer was lost, and the Direct, do not both carry it out. As soon as
// Submitter is well again, tasks go there; what the fallback has begun stays with it.
//
// Temporal's client is to be one of client.NewLazyClient: one of client.Dial fails at once where
// Temporal is away, and the consumer with it.
//
//	direct, err := voicetask.NewDirect(workerConfig) // the worker's Config, and so its Store
//	...
//	cfg.Submitter, cfg.Fallback = client, direct
//	cfg.FallbackAfter = 2 * time.Minute
//	consumer, err := kafkasrc.NewConsumer(cfg)
//	...
//	g.Go(func() error { return direct.Run(ctx) })
//	g.Go(func() error { return consumer.Run(ctx) })
//
// # What a record may be
//
// Plain JSON, or a CloudEvent in either mode (see DecodeTask); for anything else, schema-registry
// framing for one, set Config.Decode. Unknown fields travel on: those of data to the provider,
// byte for byte, the others to Config.Prepare of package voicetask. Kafka headers do not: a
// Decode of the host's can put them into the task (see the example of Config), such as
// traceparent.
//
// The fields priority (1 to 5) and tenant_id become Temporal's priority and fairness key in
// both lanes; voicetask.ClientConfig.StartOptions may set others, weights too. A task on the bulk
// topic has no lower priority by itself: campaigns do well to send 4 or 5.
//
// # Memory
//
// A lane holds the records of its Submits in progress, and what librdkafka has read ahead: about
// 1,000 records or 128 KiB of each partition, some 16 MiB at most in all, however many wait at the
// brokers. Config.Librdkafka may change that (queued.min.messages, queued.max.messages.kbytes,
// fetch.message.max.bytes), for instance for brokers that are far away. What was read ahead is thrown
// away at a pause and fetched again after it.
//
// # Secured brokers
//
// Config.Librdkafka takes librdkafka's settings for TLS and SASL, and so do ReplayConfig and
// ProducerConfig. What would undo a guarantee (commits of our own, uncommitted reads, unacknowledged
// writes) is refused by name. No value of a setting is printed or logged.
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
