package vapi

import (
	"errors"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/superservices/voice/internal/carrier/fakevapi"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
)

// refusals are Vapi's ways of saying each kind.
var refusals = map[provider.Kind]fakevapi.Fault{
	provider.KindInvalidRequest:  {Status: 400, Body: `{"message":["property x should not exist"],"error":"Bad Request","statusCode":400}`},
	provider.KindUnauthenticated: {Status: 401, Body: `{"message":"Invalid Key","error":"Unauthorized","statusCode":401}`},
	provider.KindNotFound:        {Status: 404, Body: `{"message":"Assistant not found","error":"Not Found","statusCode":404}`},
	provider.KindRejected:        {Status: 400, Body: `{"message":"Your Wallet Balance is -0.09","error":"Bad Request","statusCode":400}`},
	provider.KindRateLimited:     {Status: 429, Body: `{"message":"Rate limit exceeded","statusCode":429}`, Header: http.Header{"Retry-After": {"1"}}},
}

func TestConformance(t *testing.T) {
	var (
		f       *platform
		offline atomic.Bool // the next Place finds no way to Vapi
	)
	inject := func(kind fakevapi.FaultKind) { f.Inject(fakevapi.Fault{Kind: kind}) }
	reasons := map[provider.Outcome]string{
		provider.OutcomeCompleted: "customer-ended-call", provider.OutcomeNoAnswer: "customer-did-not-answer",
	}
	providertest.Run(t, providertest.Harness{
		New: func(t *testing.T) provider.Provider {
			t.Helper()
			f = newPlatform(t, func(c *fakevapi.Config) { c.Second = time.Second })
			offline.Store(false)
			transport := &http.Transport{Proxy: func(r *http.Request) (*url.URL, error) {
				if r.Method == http.MethodPost && r.URL.Path == "/call" && offline.CompareAndSwap(true, false) {
					return nil, errors.New("no way out")
				}
				return nil, nil
			}}
			t.Cleanup(transport.CloseIdleConnections)
			return f.provider(t, func(c *Config) { c.HTTPClient = &http.Client{Transport: transport, Timeout: 10 * time.Second} })
		},
		Request: func(key string) provider.Request {
			req := request(key, endless)
			req.MaxDuration = 10 * time.Minute
			return req
		},
		Dials:     func() int { return f.net.Rings("") },
		LoseReply: func() { inject(fakevapi.LoseReply) },
		Trouble: func(kind providertest.Trouble) {
			switch kind {
			case providertest.FaultAfterAccept:
				inject(fakevapi.FailAfterAccept)
			case providertest.ClosedConnection:
				inject(fakevapi.ClosedConnection)
			case providertest.Slow:
				inject(fakevapi.Slow)
			case providertest.FindLag:
				f.SetFindLag(200 * time.Millisecond)
			}
		},
		Refuse: func(k provider.Kind) {
			if k == provider.KindUnavailable {
				offline.Store(true)
				return
			}
			fault := refusals[k]
			fault.Kind = fakevapi.Refuse
			f.Inject(fault)
		},
		Finish: func(id provider.CallID, o provider.Outcome) { f.Finish(string(id), reasons[o]) },
	})
}
