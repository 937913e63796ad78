// Package providertest proves voice providers against the contract of package
// provider, and has a scriptable fake for everybody else's tests.
//
// # You write a provider
//
// Call [Run] in a test with a [Harness]: how to make your provider on a fresh
// platform (usually an httptest server that speaks the vendor's protocol), which
// request is safe to dial, and how to trouble the platform. Run then checks what
// the library relies on, above all that one Place rings one phone whatever
// happens to the reply. What your platform cannot be made to do goes into
// Harness.Cannot with a reason; nothing is skipped in silence.
//
// # You test a service
//
// [NewFake] is a provider with a platform behind it that does what its [Step]s
// say: answers, does not answer, refuses, rings and loses the reply. It never
// refuses to dial a key twice, so that a test can look for it with [Fake.Dials].
// voicetasktest puts one on the skipping clock of Temporal's test environment.
package providertest
