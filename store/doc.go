// Package store keeps what people query about tasks, and the dial fence's ledger.
//
// You give us a [Store], or take [Memory] or package sqlstore. We keep one
// [Record] per task in it, with the task's dials inside as [Attempt] rows. You
// query the records for status, result and cost.
//
// # Why the store matters
//
// The right to dial is a compare-and-set on a record's Version: of two workers
// that both believe they own a dial, one Update succeeds and the other gets
// [ErrConflict] and does not dial. A store that loses acknowledged writes, or
// serves Update from a stale replica, therefore cannot keep a phone from ringing
// twice. Such a store says so through [Durability]; Memory does.
//
// # Guarantees asked of a Store
//
//   - Create and Update are atomic and, when they return nil, durable.
//   - Get after a successful Create or Update, from any process, sees it.
//   - An error other than the sentinels means "may or may not have happened".
//
// Package storetest checks a Store. All methods must be safe for concurrent use.
package store
