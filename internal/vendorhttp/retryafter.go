package vendorhttp

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// MaxRetryAfter bounds what a vendor may ask us to wait.
const MaxRetryAfter = time.Hour

// RetryAfter reads the wait a vendor asks for: Retry-After in seconds or as an
// HTTP date, else X-RateLimit-Reset in seconds or as a Unix time. It is 0 when
// there is none that makes sense, and at most MaxRetryAfter.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		v = strings.TrimSpace(h.Get("X-RateLimit-Reset"))
	}
	if at, err := http.ParseTime(v); err == nil {
		return clampWait(at.Sub(now).Seconds())
	}
	s, err := strconv.ParseFloat(v, 64)
	if err != nil || math.IsNaN(s) {
		return 0
	}
	const year2001, year2001ms = 1e9, 1e12
	switch {
	case math.IsInf(s, 0):
	case s >= year2001ms:
		s = s/1e3 - float64(now.Unix())
	case s >= year2001:
		s -= float64(now.Unix())
	}
	return clampWait(s)
}

func clampWait(seconds float64) time.Duration {
	if seconds <= 0 {
		return 0
	}
	if seconds >= MaxRetryAfter.Seconds() {
		return MaxRetryAfter
	}
	return time.Duration(seconds * float64(time.Second))
}
