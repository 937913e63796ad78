package voicetask

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/superservices/voice/provider"
)

// later is an activity's way to say "nothing is wrong, run me again": a poll that
// has not seen the end, a look for a call whose reply was lost, a dial that
// certainly did not go out. Temporal retries it after delay without a history
// event; Direct puts the task's DueAt off.
type later struct {
	delay time.Duration
	why   string        // constant text: it is kept as the last failure
	kind  provider.Kind // of the provider's error, if one is behind it
}

func (l *later) Error() string { return l.why }

// temporalError turns an activity's error into Temporal's, once, as the last thing
// an activity does: an error that wraps a non-retryable one would be retryable
// again. Its words enter history and logs as they are, unless the host's failure
// converter encrypts them, so nothing personal of t may be left in them.
func temporalError(t Task, err error) error {
	if err == nil {
		return nil
	}
	var (
		application *temporal.ApplicationError
		wait        *later
		vendor      *provider.Error
	)
	switch {
	case errors.As(err, &application):
		return hiddenApplication(t, application) // a decorating host's own
	case errors.As(err, &wait):
		o := temporal.ApplicationErrorOptions{NextRetryDelay: wait.delay, Category: temporal.ApplicationErrorCategoryBenign}
		return temporal.NewApplicationErrorWithOptions(wait.why, errType(wait.kind), o)
	case errors.Is(err, provider.ErrNoProvider):
		return temporal.NewNonRetryableApplicationError(hidden(t, err.Error()), ErrTypeSelection, nil)
	case errors.As(err, &vendor):
		return temporal.NewApplicationError(hidden(t, err.Error()), errType(vendor.Kind))
	}
	if tells(t, err) {
		return temporal.NewApplicationError(hidden(t, err.Error()), "error")
	}
	return err
}

// tells reports whether err, or an error within it, says what must be hidden: the
// SDK writes down the words of each.
func tells(t Task, err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if said := err.Error(); hidden(t, said) != said {
			return true
		}
	}
	return false
}

// hiddenApplication is the host's error without what it may not say. What matters to
// Temporal stays: type, details, retries.
func hiddenApplication(t Task, err *temporal.ApplicationError) error {
	if !tells(t, err) {
		return err
	}
	words := hidden(t, err.Message())
	if cause := errors.Unwrap(err); cause != nil {
		words += ": " + hidden(t, cause.Error())
	}
	return temporal.NewApplicationErrorWithOptions(words, err.Type(), temporal.ApplicationErrorOptions{
		NonRetryable: err.NonRetryable(), NextRetryDelay: err.NextRetryDelay(), Category: err.Category(), Details: detailsOf(err),
	})
}

// detailsOf takes an error's details out, which only its maker knows the number of.
func detailsOf(err *temporal.ApplicationError) []any {
	const most = 16
	var found []any
	for n := 1; err.HasDetails() && n <= most; n++ {
		values, into := make([]any, n), make([]any, n)
		for i := range values {
			into[i] = &values[i]
		}
		if err.Details(into...) != nil {
			break
		}
		found = values
	}
	return found
}

func errType(k provider.Kind) string {
	if k == "" {
		return "later"
	}
	return ErrTypeProvider + string(k)
}

// KindOf recovers the provider's Kind from an error that came through Temporal;
// false if it holds none.
func KindOf(err error) (provider.Kind, bool) {
	var application *temporal.ApplicationError
	if errors.As(err, &application) {
		if kind, ok := strings.CutPrefix(application.Type(), ErrTypeProvider); ok {
			return provider.Kind(kind), true
		}
	}
	var vendor *provider.Error
	if errors.As(err, &vendor) {
		return vendor.Kind, true
	}
	return "", false
}

// backoff is the seed's: 10 s growing to 1 min, by how often it was tried.
func backoff(tries int) time.Duration {
	d := 10 * time.Second
	for range min(tries, 8) - 1 {
		d *= 2
	}
	return min(d, time.Minute)
}

// persist runs write until it succeeds or is refused, for a few seconds: what
// follows a dial must be kept even when the store stumbles. It gives up with the
// last error.
func persist(ctx context.Context, write func(ctx context.Context) error, final func(error) bool) error {
	const tries, longest = 6, 2 * time.Second
	delay := 50 * time.Millisecond
	var err error
	for try := range tries {
		attempt, cancel := context.WithTimeout(ctx, storeTimeout)
		err = write(attempt)
		cancel()
		if err == nil || final(err) || try == tries-1 {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(delay):
		}
		delay = min(2*delay, longest)
	}
	return err
}

// storeTimeout bounds one operation on the store.
const storeTimeout = 10 * time.Second
