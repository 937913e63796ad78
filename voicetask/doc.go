// Package voicetask runs one outbound voice task as a durable Temporal workflow.
//
// You give us a [Task] (from Kafka, or from your code), the platforms to dial
// through, and a store. We judge at the moment of dialling whether the call may be
// made, send each dial once, follow the call to its end over crashes, deploys and
// outages, and dial again where your policy says so. You get back a [Result], and
// a row that people can query all the while.
//
// # In your worker
//
// [RegisterWorker] registers [VoiceTaskWorkflow] and its four activities with a
// [Config]; [RunWorker] runs the worker. The Config is where a host's own rules
// live: [Policy] and [Redial], [Hours], [Gate], Prepare, ProviderFor, Wrap.
//
// # From your service
//
// [NewClient] gives a [Client]: Submit starts a task, Cancel, Hold and Resume
// steer it, State and Wait tell of it, Deliver takes the platforms' events (it is
// the sink of their webhook handlers). Take the interface [Workflow] where you
// want to fake it. [ExecuteChild] runs a task as a child of your own workflow.
// [Direct] is the same without Temporal.
//
// # Guarantees
//
//   - A dial is sent once. Only an error that proves that nothing was placed lets
//     the same dial be sent again, at most three times in all. What cannot be
//     proved ends [provider.OutcomeUnknown] and is never redialled by itself.
//   - A task that Submit accepted ends in exactly one recorded result. The result
//     is written until the store takes it; a terminal outcome moves only from
//     unknown.
//   - A call outlives its worker. Waiting costs no goroutine and no activity slot.
//   - Cancelling hangs up.
//
// They rest on the store: it must not lose acknowledged writes. docs/design.md has
// the protocol, its table of transitions, and what is not promised.
//
// # Who retries
//
// Temporal retries the activities, without limit, since a deploy must not use up a
// task's chances; the sends of a dial are counted in the row. Submit retries
// nothing: its caller does. Providers never retry.
package voicetask
