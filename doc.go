// Package voice is the root of a library for durable outbound phone calls on
// Temporal and Kafka. It holds no code; its packages do:
//
//   - provider: what a voice platform must do, and how a call can end
//   - provider/vapi, provider/livekit: two platforms
//   - store, store/sqlstore: the rows that people query, and the fence's ledger
//   - voicetask: the workflow, its activities, the client, and Direct mode
//   - kafkasrc: tasks from a Kafka topic, with dead letters
//
// A task that arrives becomes exactly one recorded result, and a phone rings at
// most once for one dial, whatever is killed or slow in between. What that rests
// on, and where it ends, is in docs/design.md. Start with the README, then with
// package voicetask.
package voice
