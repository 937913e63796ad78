// Package providertest proves voice providers against the contract of package
// provider, and has a scriptable fake for everybody else's tests.
//
// # You write a provider
//
// Call [Run] in a test with a [Harness]: how to make your provider on a fresh
// platform (usually an httptest server that speaks the vendor's protocol), which
// request is safe to dial, and how to trouble the platform. Run then checks what
// the library relies on, above all that one Place rings one phone whatever
// happens to the reply.
//
// The hooks, each to be set or to be explained, are:
//
//   - Dials: how many phones have rung. Without it the checks cannot see a phone that
//     rings twice, so set it wherever the platform is a fake.
//   - LoseReply, and Trouble with fault_after_accept, closed_connection, slow and
//     find_lag: the next Place is carried out, and what comes back is not the answer.
//   - Refuse with invalid_request, unauthenticated, not_found, rejected, rate_limited
//     and unavailable: the next Place fails with that kind, and nothing rings. For
//     unavailable the request must not be written: refuse the connection.
//   - Finish with completed and no_answer: the call that was placed ends so. For
//     no_answer nobody has picked up, so that neither Get nor Place may tell a time of
//     answer: a fake whose callees answer at once has to take that time back, or to let
//     this one ring on until Finish. A platform whose Place returns only when
//     the callee has answered cannot have a no_answer after it: explain that.
//
// What your platform cannot be made to do goes into Harness.Cannot with a reason: a
// whole hook by its name ("LoseReply"), or one kind of it behind a slash
// ("Trouble/find_lag", "Refuse/rejected", "Finish/no_answer"). Its check is then skipped
// with that reason, and counted and printed at the end; a name that Run does not know,
// an empty reason, or a hook that is neither there nor explained fails the check Harness.
//
// All other checks have no need of a hook and cannot be left out; they ask for what the provider
// has. Find and List are checked of a provider that is a Finder or a Lister; Get may
// be unsupported if Traits say Events or Blocking, and End if the platform has no way
// to hang up, by returning provider.KindUnsupported. An idempotent Place is asked for
// if Traits say so.
//
// # You test a service
//
// [NewFake] is a provider with a platform behind it that does what its [Step]s
// say: answers, does not answer, refuses, rings and loses the reply. It never
// refuses to dial a key twice, so that a test can look for it with [Fake.Dials].
// voicetasktest puts one on the skipping clock of Temporal's test environment.
package providertest
