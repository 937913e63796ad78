// Package vendorhttp is the HTTP that the provider adapters share: one client
// that sends a dial once, one for everything that may be asked again, and what
// both need to say about an answer without saying too much.
//
// A [Placer] carries the request that makes a phone ring. Its one rule is that a
// request leaves at most once and that the caller learns whether it may have
// left. So its Transport is its own: no connection is used twice (Go re-sends
// some requests when a reused connection closes unanswered), no HTTP/2, no
// redirect, no body that could be read again, no Idempotency-Key header. From the
// host's client it takes the proxy and TLS settings and nothing else. Its own
// connections stand guard over the first byte: it is written within the send
// budget or never, and until an answer begins a connection that is given up takes
// what it has not delivered with it.
//
// A [Reader] carries the rest through the host's own client.
//
// Errors are *provider.Error values whose text holds no URL, credential or phone
// number, and from which the transport's own error cannot be unwrapped, since it
// holds the URL; errors.Is still matches context.DeadlineExceeded and the like.
package vendorhttp
