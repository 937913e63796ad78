package temporal_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/internal/carrier"
	"github.com/superservices/voice/internal/carrier/fakevapi"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/vapi"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// requests counts what Vapi is asked.
type requests struct{ lists, gets atomic.Int64 }

func (q *requests) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && path.Base(r.URL.Path) == "call" {
			q.lists.Add(1)
		} else if r.Method == http.MethodGet {
			q.gets.Add(1)
		}
		next.ServeHTTP(w, r)
	})
}

// sweptRig dials through Vapi's adapter, to a platform whose webhooks are all lost.
func sweptRig(t *testing.T, swept bool) (*rig, *carrier.Network, *requests) {
	t.Helper()
	network := carrier.New(&bytes.Buffer{}, carrier.Pace{Setup: 10 * time.Millisecond, Ring: 500 * time.Millisecond, Talk: 4 * time.Second})
	platform, err := fakevapi.New(fakevapi.Config{Network: network, Token: "token"})
	require.NoError(t, err)
	t.Cleanup(platform.Close)
	asked := &requests{}
	api := httptest.NewUnstartedServer(asked.count(platform))
	api.Config.SetKeepAlivesEnabled(false)
	api.Start()
	t.Cleanup(api.Close)
	p, err := vapi.New(vapi.Config{AuthToken: "token", PhoneNumberID: "11111111-1111-4111-8111-111111111111", BaseURL: api.URL})
	require.NoError(t, err)
	registry, err := provider.NewRegistry(p)
	require.NoError(t, err)
	r := newRig(t, func(c *voicetask.Config) {
		c.Providers, c.Swept, c.Policy.MaxCallDuration = registry, swept, 5*time.Minute
	})
	return r, network, asked
}

// TestOneListingForAllCalls: with Config.Swept and every webhook lost, calls end by
// the sweeper's listings, of two sweepers', and no call is asked about by itself. What
// that costs does not grow with the number of calls.
func TestOneListingForAllCalls(t *testing.T) {
	const sweepers = 2
	for _, n := range []int{3, 40} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			r, network, asked := sweptRig(t, true)
			began := time.Now()
			for range sweepers {
				r.sweep(0)
			}
			for i := range n {
				task := newTask(fmt.Sprintf("swept-%d-%d", n, i))
				task.Data.ContactNumber = fmt.Sprintf("+1415555%04d", 100*i)
				require.NoError(t, r.client.Submit(t.Context(), task))
			}
			for i := range n {
				rec := r.untilEnded(fmt.Sprintf("swept-%d-%d", n, i))
				require.Equal(t, provider.OutcomeCompleted, rec.Outcome)
				require.False(t, rec.Attempts[0].AnsweredAt.IsZero())
			}
			took := time.Since(began)
			require.Equal(t, n, network.Rings(""), "rings")
			require.Zero(t, asked.gets.Load(), "questions about single calls")
			require.Positive(t, asked.lists.Load())
			// One each second is the interval, and a listing is never due sooner; the first may
			// be each sweeper's.
			require.LessOrEqual(t, float64(asked.lists.Load()), took.Seconds()+1+sweepers, "listings in %v", took)
			t.Logf("%d calls in %v: %d listings, %d questions about single calls", n, took.Round(time.Millisecond), asked.lists.Load(), asked.gets.Load())
		})
	}
}

// TestEachCallIsAskedAboutWithoutASweeper is what the listings save.
func TestEachCallIsAskedAboutWithoutASweeper(t *testing.T) {
	r, network, asked := sweptRig(t, false)
	const n = 5
	for i := range n {
		r.submit(fmt.Sprintf("polled-%d", i))
	}
	for i := range n {
		require.Equal(t, provider.OutcomeCompleted, r.wait(fmt.Sprintf("polled-%d", i)).Outcome)
	}
	require.Equal(t, n, network.Rings(""))
	require.GreaterOrEqual(t, asked.gets.Load(), int64(n), "each end was asked for") // and some asked for in vain, as many as a machine has time for
	require.Zero(t, asked.lists.Load())
}

// TestSweptCallKeepsItsDeadline: no sweeper runs although the workers were told so.
func TestSweptCallKeepsItsDeadline(t *testing.T) {
	r, network, _ := sweptRig(t, true)
	r.cfg.Policy.MaxCallDuration = 2 * time.Second
	r.worker.Stop()
	w := r.newWorker()
	require.NoError(t, w.Start())
	defer w.Stop()
	task := newTask("swept-endless")
	task.Data.ContactNumber = "+14155550199"
	require.NoError(t, r.client.Submit(t.Context(), task))
	rec := r.untilEnded("swept-endless")
	require.Equal(t, provider.OutcomeTimedOut, rec.Outcome)
	require.Equal(t, store.StatusFailed, rec.Status)
	require.Equal(t, 1, network.Rings(""))
	require.Eventually(t, func() bool { return network.Live() == 0 }, patience, 10*time.Millisecond, "hung up")
}
