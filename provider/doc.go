// Package provider says what a voice platform must do to place calls.
//
// You give us a [Provider]: three methods that dial, look at and hang up a call.
// We decide when to dial, make sure that one dial is sent once, follow the call
// to its end and record what came of it. You get back one set of outcomes for
// every platform.
//
// # The model
//
// A task is carried out in one or more dials. Each dial has a key,
// "<task_id>/<n>" (see [Key]), which is never used for another dial. [Provider.Place]
// sends one dial and answers with a [Call], usually still queued or ringing.
// From then on the call is followed by [Provider.Get], by events from the
// platform ([Event], [WebhookHandler]) or both, until its [Status] is
// [StatusEnded]; then its [Outcome] says how it ended.
//
// Busy, no answer and declined are answers, not errors. An error is an [*Error]
// with a [Kind], and the kind answers one question before all others: may a
// phone have rung? [Kind.NotPlaced] is true only where it is proved that none
// did; everything else is [KindOutcomeUnknown], and is never dialled again by
// itself.
//
// # Guarantees
//
// What the library promises a provider:
//
//   - Place is called at most once for a key while an earlier Place for it may
//     have gone out. A key comes again only after Place returned an error of a
//     NotPlaced kind for it, at most three times in all.
//   - Get, End, Find and List may be called at any time, from many goroutines
//     and several processes, for calls that another process placed.
//
// What a provider promises the library:
//
//   - It never retries and never dials twice for one Place. A transport that
//     re-sends a request by itself breaks this: Go's does so for a POST with an
//     Idempotency-Key header on a reused connection that closes unanswered.
//   - It never hangs up because a context ended. Contexts end when a worker is
//     deployed or Temporal is unreachable; the callee must not notice either.
//   - Absence is never an end. A call that Get or Find does not show may exist.
//   - It does not put credentials or phone numbers into errors.
//
// Package providertest checks all of it.
package provider
