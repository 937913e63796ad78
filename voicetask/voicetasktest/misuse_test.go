package voicetasktest_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/voicetask"
	"github.com/superservices/voice/voicetask/voicetasktest"
)

// watched is a test of a host's, whose failures are expected.
type watched struct {
	testing.TB
	mu  sync.Mutex
	log []string
}

func (w *watched) Helper() {}

func (w *watched) Errorf(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, fmt.Sprintf(format, args...))
}

func (w *watched) Fatalf(format string, args ...any) { w.Errorf(format, args...); runtime.Goexit() }
func (w *watched) Fatal(args ...any)                 { w.Fatalf("%s", fmt.Sprint(args...)) }

// failures are those of f, which may end its goroutine.
func failures(t *testing.T, f func(t testing.TB)) []string {
	t.Helper()
	w, done := &watched{TB: t}, make(chan struct{})
	go func() { defer close(done); f(w) }()
	<-done
	return w.log
}

func TestStepsAndProvidersAtOnce(t *testing.T) {
	registry, err := provider.NewRegistry(providertest.NewFake("own"))
	require.NoError(t, err)
	got := failures(t, func(t testing.TB) {
		voicetasktest.New(t, voicetask.Config{Providers: registry}, providertest.Step{})
	})
	require.Len(t, got, 1)
	require.Contains(t, got[0], "leave one of them out")
}

func TestConfigThatDoesNotWork(t *testing.T) {
	got := failures(t, func(t testing.TB) { voicetasktest.New(t, voicetask.Config{DefaultProvider: "nobody"}) })
	require.Len(t, got, 1)
	require.Contains(t, got[0], "Config.DefaultProvider")
}

func TestEventOfNoCall(t *testing.T) {
	got := failures(t, func(t testing.TB) {
		env := voicetasktest.New(t, voicetask.Config{})
		env.DeliverAfter(time.Second, func() provider.Event { return provider.Event{Key: "t2/1"} })
		_, _ = env.Run(voicetasktest.Task("t1"))
	})
	require.Len(t, got, 1)
	require.Contains(t, got[0], "an event was not delivered")
}

func TestReplay(t *testing.T) {
	const histories = "../testdata/histories/"
	voicetasktest.Replay(t, nil, histories+"plain.json", histories+"redial.json")

	registered := false
	voicetasktest.Replay(t, func(voicetask.WorkflowRegistrar) { registered = true }, histories+"plain.json")
	require.True(t, registered)
}

func TestReplayThatFails(t *testing.T) {
	got := failures(t, func(t testing.TB) { voicetasktest.Replay(t, nil) })
	require.Len(t, got, 1)
	require.Contains(t, got[0], "no history files")

	got = failures(t, func(t testing.TB) { voicetasktest.Replay(t, nil, "none.json", "neither.json") })
	require.Len(t, got, 2, "each file is looked at")

	got = failures(t, func(t testing.TB) { voicetasktest.Replay(t, nil, "testdata/changed.json") })
	require.Len(t, got, 1)
	require.Contains(t, got[0], "workflow.GetVersion")
}
