package provider

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Kind classifies an Error.
type Kind string

// Kinds of errors. All but KindOutcomeUnknown prove, when Place returns them,
// that no phone rang.
const (
	KindInvalidRequest  Kind = "invalid_request"
	KindUnauthenticated Kind = "unauthenticated"
	KindNotFound        Kind = "not_found"
	KindRejected        Kind = "rejected"
	KindRateLimited     Kind = "rate_limited"
	KindUnavailable     Kind = "unavailable"     // nothing was sent
	KindUnsupported     Kind = "unsupported"     // the platform has no such operation
	KindOutcomeUnknown  Kind = "outcome_unknown" // sent, answer lost; any error that is no *Error counts as this
)

// NotPlaced reports whether an error of this kind from Place proves that no
// phone rang. It is false for kinds it does not know.
func (k Kind) NotPlaced() bool {
	switch k {
	case KindInvalidRequest, KindUnauthenticated, KindNotFound, KindRejected,
		KindRateLimited, KindUnavailable, KindUnsupported:
		return true
	}
	return false
}

// Error is what every Provider method returns on failure. Match kinds with
// errors.Is(err, ErrNotFound) and so on.
type Error struct {
	// Provider is the provider's name, Op the method ("place", "get", "end", "find", "list").
	Provider, Op string
	Kind         Kind
	// Code is the vendor's own code, if it has one.
	Code string
	// RetryAfter is how long the platform asked us to wait, for KindRateLimited.
	RetryAfter time.Duration
	// Err is the cause. It must hold no credentials and no phone number.
	Err error
}

// Sentinels to match kinds with errors.Is.
var (
	ErrInvalidRequest  error = &Error{Kind: KindInvalidRequest}
	ErrUnauthenticated error = &Error{Kind: KindUnauthenticated}
	ErrNotFound        error = &Error{Kind: KindNotFound}
	ErrRejected        error = &Error{Kind: KindRejected}
	ErrRateLimited     error = &Error{Kind: KindRateLimited}
	ErrUnavailable     error = &Error{Kind: KindUnavailable}
	ErrUnsupported     error = &Error{Kind: KindUnsupported}
	ErrOutcomeUnknown  error = &Error{Kind: KindOutcomeUnknown}
)

// Error reads "vapi: place: rate_limited (429): cause". The URL inside a
// *url.Error is left out, since some vendors' URLs are secrets.
func (e *Error) Error() string {
	var b strings.Builder
	for _, part := range []string{e.Provider, e.Op} {
		if part != "" {
			b.WriteString(part)
			b.WriteString(": ")
		}
	}
	b.WriteString(string(e.Kind))
	if e.Code != "" {
		fmt.Fprintf(&b, " (%s)", e.Code)
	}
	if e.Err != nil {
		b.WriteString(": ")
		b.WriteString(withoutURL(e.Err))
	}
	return b.String()
}

func withoutURL(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		return fmt.Sprintf("%s: %s", u.Op, withoutURL(u.Err))
	}
	return err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is an *Error of the same kind whose Provider, Op and
// Code, where set, are equal too.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	if !ok {
		return false
	}
	return t.Kind == e.Kind &&
		(t.Provider == "" || t.Provider == e.Provider) &&
		(t.Op == "" || t.Op == e.Op) &&
		(t.Code == "" || t.Code == e.Code)
}

// KindOf returns the kind of err: that of the *Error within, "" for nil, else
// KindOutcomeUnknown.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) && e != nil && e.Kind != "" {
		return e.Kind
	}
	return KindOutcomeUnknown
}

// KindFromHTTP classifies the answer to a Place by its HTTP status: 401 and 403 are
// KindUnauthenticated, 404 and 410 KindNotFound, 429 KindRateLimited, 400, 405, 411, 413 to
// 417, 422 and 431 KindInvalidRequest, other 4xx KindRejected. Only a decoded refusal proves that nothing was placed: 408, 409, 425, 499 and every
// status outside 4xx are KindOutcomeUnknown.
func KindFromHTTP(status int) Kind {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return KindUnauthenticated
	case status == http.StatusNotFound, status == http.StatusGone:
		return KindNotFound
	case status == http.StatusTooManyRequests:
		return KindRateLimited
	case status == http.StatusRequestTimeout, status == http.StatusConflict,
		status == http.StatusTooEarly, status == 499,
		status < 400, status > 499:
		return KindOutcomeUnknown
	case status == http.StatusBadRequest, status == http.StatusMethodNotAllowed,
		status == http.StatusLengthRequired, status >= 413 && status <= 417,
		status == http.StatusUnprocessableEntity, status == http.StatusRequestHeaderFieldsTooLarge:
		return KindInvalidRequest
	}
	return KindRejected
}

// KindFromTransport classifies an http.Client error: dial and DNS failures, and
// TLS failures that are certainly of the handshake, happen before a request is
// written and are KindUnavailable; everything else is KindOutcomeUnknown, and nil
// is "". It presumes a client that follows no
// redirects: behind one, a failed dial may be the second request's.
//
// An alert from the other side ("remote error") counts as unknown: with TLS 1.3
// it may arrive after the request was written.
func KindFromTransport(err error) Kind {
	if err == nil {
		return ""
	}
	var (
		op          *net.OpError
		dns         *net.DNSError
		verify      *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		unknownCA   x509.UnknownAuthorityError
		hostname    x509.HostnameError
		invalidCert x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect" || op.Op == "socks connect"),
		errors.As(err, &dns),
		errors.As(err, &verify), errors.As(err, &record) && record.Conn != nil, // Conn: only before the handshake
		isHandshakeTimeout(err),
		errors.As(err, &unknownCA), errors.As(err, &hostname), errors.As(err, &invalidCert):
		return KindUnavailable
	}
	return KindOutcomeUnknown
}

// isHandshakeTimeout knows net/http's own error, which has no exported type, by its text.
func isHandshakeTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout() && strings.Contains(err.Error(), "net/http: TLS handshake timeout")
}
