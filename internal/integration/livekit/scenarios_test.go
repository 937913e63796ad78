package livekit_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/livekit"
)

// scenarios.txt names them too; CI compares what was printed with it.
var scenarios = []struct {
	name string
	run  func(t *testing.T, s *stack)
}{
	{"answered", answered},
	{"callee hangs up", calleeHangsUp},
	{"busy", refused("busy", "86", provider.OutcomeBusy, "sip_486")},
	{"declined", refused("declined", "03", provider.OutcomeDeclined, "sip_603")},
	{"bad number", refused("bad-number", "04", provider.OutcomeInvalidNumber, "sip_404")},
	{"trunk fault", refused("trunk-fault", "53", provider.OutcomeProviderFault, "sip_503")},
	{"no answer", noAnswer},
	{"ended while ringing", endedWhileRinging},
	{"answer lost", answerLost},
	{"unknown trunk", unknownTrunk},
	{"agent missing", agentMissing},
	{"agent lost", agentLost},
	{"double delivery", doubleDelivery},
	{"server restarted in mid-call", serverRestarted},
	{"SIP service killed in mid-call", sipKilled},
	{"SIP service killed while ringing", sipKilledRinging},
	{"no SIP service", noSIPService},
}

// TestScenarios prints each scenario's name behind PASS or FAIL.
func TestScenarios(t *testing.T) {
	want, err := os.ReadFile("scenarios.txt")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, sc := range scenarios {
		names = append(names, sc.name)
	}
	if !slices.Equal(strings.Split(strings.TrimSpace(string(want)), "\n"), names) {
		t.Errorf("scenarios.txt is not the list of scenarios: %q", names)
	}
	s := newStack(t)
	for _, sc := range scenarios {
		ok := t.Run(sc.name, func(t *testing.T) {
			s.t = t
			t.Cleanup(func() { // of a run of its own
				verdict := "PASS"
				if t.Failed() {
					verdict = "FAIL"
				}
				fmt.Printf("%s\t%s\n", verdict, sc.name)
			})
			sc.run(t, s)
		})
		if !ok && os.Getenv("LIVEKIT_LOGS") != "" {
			t.Logf("logs are kept in %s", s.keepLogs(os.Getenv("LIVEKIT_LOGS")))
		}
	}
	s.t = t
}

func (s *stack) keepLogs(to string) string {
	_ = os.CopyFS(to, os.DirFS(s.dir))
	return to
}

// oneInvite is the check that matters most.
func oneInvite(t *testing.T, s *stack, id provider.CallID) {
	t.Helper()
	if invites := s.entries("invite", roomOf(id)); len(invites) != 1 {
		t.Errorf("%d INVITEs, want exactly 1: %+v", len(invites), invites)
	}
}

func place(t *testing.T, d *desk, req provider.Request) provider.Call {
	t.Helper()
	c, err := d.Place(t.Context(), req)
	if err != nil {
		t.Fatalf("Place: %v", err)
	}
	return c
}

// up places a call that is answered and goes on, and sees it so.
func up(t *testing.T, s *stack, d *desk, key string) provider.Call {
	t.Helper()
	c := place(t, d, request(key, "+15550100001"))
	if c.Status != provider.StatusInProgress || c.AnsweredAt.IsZero() {
		t.Fatalf("placed: %+v", c)
	}
	got, err := d.Get(t.Context(), c.ID)
	if err != nil || got.Status != provider.StatusInProgress || got.Key != key || !got.AnsweredAt.Equal(c.AnsweredAt) {
		t.Fatalf("up: %+v, %v", got, err)
	}
	eventually(t, time.Minute, "the agent says that it joined", func() bool { return len(s.entries("joined", roomOf(c.ID))) == 1 })
	if answers := s.entries("answer", roomOf(c.ID)); len(answers) != 1 || answers[0].Detail != "with an agent" {
		t.Fatalf("the callee picked up before the agent was there: %+v", answers)
	}
	return c
}

// over waits for the end that webhooks tell of.
func over(t *testing.T, d *desk, c provider.Call, limit time.Duration) provider.Call {
	t.Helper()
	var got provider.Call
	eventually(t, limit, "a webhook tells of the end", func() bool {
		got = d.merged(provider.Call{Key: c.Key})
		return got.Status == provider.StatusEnded
	})
	return c.Merge(got)
}

func answered(t *testing.T, s *stack) {
	d := s.desk(t, nil)
	c := up(t, s, d, "answered/1")
	if found, err := d.Find(t.Context(), "answered/1", time.Time{}); err != nil || found.ID != c.ID {
		t.Errorf("found %+v, %v", found, err)
	}
	if err := d.End(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	if got := over(t, d, c, time.Minute); got.Outcome != provider.OutcomeCompleted {
		t.Errorf("ended: %+v", got)
	}
	eventually(t, time.Minute, "the line is down", func() bool { return len(s.entries("bye", roomOf(c.ID))) == 1 })
	if err := d.End(t.Context(), c.ID); err != nil {
		t.Errorf("ended twice: %v", err)
	}
	oneInvite(t, s, c.ID)
}

func calleeHangsUp(t *testing.T, s *stack) {
	d := s.desk(t, nil)
	c := place(t, d, request("hangs-up/1", "+15550100002"))
	got := over(t, d, c, time.Minute)
	if got.Outcome != provider.OutcomeCompleted || got.AnsweredAt.IsZero() || got.EndedAt.IsZero() {
		t.Errorf("by webhook: %+v", got)
	}
	eventually(t, time.Minute, "polling tells the same", func() bool {
		polled, err := d.Get(t.Context(), c.ID)
		return err == nil && polled.Status == provider.StatusEnded && polled.Outcome == provider.OutcomeCompleted
	})
	oneInvite(t, s, c.ID)
}

func refused(task, digits string, outcome provider.Outcome, code string) func(t *testing.T, s *stack) {
	return func(t *testing.T, s *stack) {
		d := s.desk(t, nil)
		c := place(t, d, request(task+"/1", "+155501000"+digits))
		if c.Status != provider.StatusEnded || c.Outcome != outcome || c.Reason != code || !c.AnsweredAt.IsZero() {
			t.Errorf("got %+v (%s)", c, c.Reason)
		}
		oneInvite(t, s, c.ID)
		eventually(t, time.Minute, "the agent goes home", func() bool { return len(s.entries("left", roomOf(c.ID))) == 1 })
	}
}

func noAnswer(t *testing.T, s *stack) {
	d := s.desk(t, nil)
	req := request("no-answer/1", "+15550100099")
	req.RingTimeout = 3 * time.Second
	c := place(t, d, req)
	if c.Outcome != provider.OutcomeNoAnswer {
		t.Errorf("got %+v", c)
	}
	oneInvite(t, s, c.ID)
}

func endedWhileRinging(t *testing.T, s *stack) {
	d := s.desk(t, nil)
	req := request("ringing/1", "+15550100099")
	req.RingTimeout = 2 * time.Minute // it is not to stop by itself
	var told atomic.Int32
	req.OnPlaced = func(c provider.Call) error {
		told.Add(1)
		awaitRinging(t, d, c.ID)
		return d.End(t.Context(), c.ID)
	}
	c := place(t, d, req)
	if c.Outcome != provider.OutcomeCancelled || told.Load() != 1 {
		t.Errorf("got %+v, told of %d times", c, told.Load())
	}
	oneInvite(t, s, c.ID)
	eventually(t, time.Minute, "the phone is quiet", func() bool { return len(s.entries("bye", roomOf(c.ID))) == 1 })
}

func awaitRinging(t *testing.T, d *desk, id provider.CallID) {
	t.Helper()
	eventually(t, time.Minute, "it rings", func() bool {
		got, err := d.Get(t.Context(), id)
		return err == nil && got.Status == provider.StatusRinging
	})
}

// The answer to the dial never comes: the call is up all the same, is found under its
// key, and is followed and ended like any other.
func answerLost(t *testing.T, s *stack) {
	d := s.desk(t, func(c *livekit.Config) { c.URL = losesAnswers(t, s) })
	c, err := d.Place(t.Context(), request("answer-lost/1", "+15550100001"))
	if provider.KindOf(err) != provider.KindOutcomeUnknown {
		t.Fatalf("got %+v, %v", c, err)
	}
	var found provider.Call
	eventually(t, time.Minute, "it is found, answered", func() bool {
		found, err = d.Find(t.Context(), "answer-lost/1", time.Time{})
		return err == nil && found.Status == provider.StatusInProgress
	})
	if found.Key != "answer-lost/1" || found.AnsweredAt.IsZero() {
		t.Errorf("found %+v", found)
	}
	if err := d.End(t.Context(), found.ID); err != nil {
		t.Fatal(err)
	}
	if got := over(t, d, found, time.Minute); got.Outcome != provider.OutcomeCompleted {
		t.Errorf("ended: %+v", got)
	}
	eventually(t, time.Minute, "the line is down", func() bool { return len(s.entries("bye", roomOf(found.ID))) == 1 })
	oneInvite(t, s, found.ID)
}

// losesAnswers is the server behind a proxy that hands each dial on and then closes
// the connection.
func losesAnswers(t *testing.T, s *stack) string {
	t.Helper()
	to, err := url.Parse("http" + strings.TrimPrefix(s.url, "ws"))
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/CreateSIPParticipant") {
			proxy.ServeHTTP(w, r)
			return
		}
		proxy.ServeHTTP(httptest.NewRecorder(), r.WithContext(context.WithoutCancel(r.Context())))
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// notPlaced places what must not ring anybody.
func notPlaced(t *testing.T, s *stack, d *desk, req provider.Request, kind provider.Kind) error {
	t.Helper()
	before := len(s.entries("invite", ""))
	c, err := d.Place(t.Context(), req)
	if provider.KindOf(err) != kind {
		t.Errorf("got %+v, %v; want %s", c, err, kind)
	}
	if after := len(s.entries("invite", "")); after != before {
		t.Errorf("%d phones rang", after-before)
	}
	return err
}

func unknownTrunk(t *testing.T, s *stack) {
	d := s.desk(t, func(c *livekit.Config) { c.SIPTrunkID = "ST_nobody" })
	_ = notPlaced(t, s, d, request("trunk/1", "+15550100001"), provider.KindNotFound)
}

func agentMissing(t *testing.T, s *stack) {
	d := s.desk(t, func(c *livekit.Config) { c.AgentName, c.AgentWait = "nobody", 2*time.Second })
	err := notPlaced(t, s, d, request("agent-missing/1", "+15550100001"), provider.KindUnavailable)
	var e *provider.Error
	if !errors.As(err, &e) || e.Code != "no_agent" {
		t.Errorf("got %v", err)
	}
}

// The agent's process dies: kill -9. LiveKit takes some 20 s to notice.
func agentLost(t *testing.T, s *stack) {
	agent := s.startAgent("mortal")
	d := s.desk(t, func(c *livekit.Config) { c.AgentName = "mortal" })
	c := up(t, s, d, "agent-lost/1")
	agent.kill()
	got := over(t, d, c, 2*time.Minute)
	if got.Outcome != provider.OutcomeProviderFault || got.Reason != "agent_left" {
		t.Errorf("got %+v (%s)", got, got.Reason)
	}
	eventually(t, time.Minute, "the callee is not left alone", func() bool { return len(s.entries("bye", roomOf(c.ID))) == 1 })
	oneInvite(t, s, c.ID)
}

// Each webhook is refused once, so that LiveKit sends it again, and then taken twice.
func doubleDelivery(t *testing.T, s *stack) {
	d := s.desk(t, nil)
	s.hooks.mu.Lock()
	handler := s.hooks.handler
	s.hooks.mu.Unlock()
	var refusals atomic.Int32
	s.hooks.set(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		copies := bodies(t, r, 2)
		first := httptest.NewRecorder()
		handler.ServeHTTP(first, copies[0])
		if refusals.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		handler.ServeHTTP(w, copies[1])
	}))
	c := place(t, d, request("double/1", "+15550100002"))
	over(t, d, c, time.Minute)
	eventually(t, time.Minute, "something came twice", func() bool { return twice(d.told(c.Key)) })
	got := provider.Call{Key: c.Key}
	for _, e := range d.told(c.Key) {
		got = got.Merge(e.Call)
	}
	if got.Outcome != provider.OutcomeCompleted || got.ID != c.ID || refusals.Load() < 3 {
		t.Errorf("all told: %+v after %d webhooks", got, refusals.Load())
	}
	oneInvite(t, s, c.ID)
}

func twice(events []provider.Event) bool {
	seen := map[string]int{}
	for _, e := range events {
		if seen[e.ID]++; seen[e.ID] > 1 && e.Call.Status == provider.StatusEnded {
			return true
		}
	}
	return false
}

// The server's restart is not the call's end: the SIP side keeps the call and brings
// it back under another participant, "dialing" again.
func serverRestarted(t *testing.T, s *stack) {
	d := s.desk(t, nil)
	c := up(t, s, d, "restart/1")
	s.restartServer(2 * time.Second)
	eventually(t, time.Minute, "the call is back", func() bool { return len(s.entries("rejoined", roomOf(c.ID))) > 0 || present(t, d, c) })
	eventually(t, time.Minute, "Get sees it go on", func() bool {
		got, err := d.Get(t.Context(), c.ID)
		if err == nil && got.Status == provider.StatusEnded {
			t.Fatalf("ended: %+v", got)
		}
		return err == nil && got.Status == provider.StatusInProgress && got.AnsweredAt.Equal(c.AnsweredAt)
	})
	for _, e := range d.told(c.Key) {
		if e.Call.Status == provider.StatusEnded {
			t.Errorf("a webhook ended it: %+v", e)
		}
	}
	oneInvite(t, s, c.ID)
	// For some seconds the room still belongs to the server that was killed.
	eventually(t, time.Minute, "it can be ended", func() bool { return d.End(t.Context(), c.ID) == nil })
	eventually(t, time.Minute, "the line is down", func() bool { return len(s.entries("bye", roomOf(c.ID))) == 1 })
}

func present(t *testing.T, d *desk, c provider.Call) bool {
	t.Helper()
	got, err := d.Get(t.Context(), c.ID)
	return err == nil && got.Status == provider.StatusInProgress
}

func sipKilled(t *testing.T, s *stack) {
	d := s.desk(t, nil)
	c := up(t, s, d, "sip-killed/1")
	s.sip.kill()
	got := over(t, d, c, 2*time.Minute)
	if got.Outcome != provider.OutcomeProviderFault {
		t.Errorf("got %+v (%s)", got, got.Reason)
	}
	oneInvite(t, s, c.ID)
	s.startSIP()
}

// Nobody knows whether the callee picked up: the dial is unknown, and never sent
// again.
func sipKilledRinging(t *testing.T, s *stack) {
	d := s.desk(t, nil)
	req := request("sip-killed-ringing/1", "+15550100099")
	req.RingTimeout = 15 * time.Second // longer than it takes to see it ring; Place waits for as long
	var id atomic.Value
	req.OnPlaced = func(c provider.Call) error {
		id.Store(c.ID)
		awaitRinging(t, d, c.ID)
		s.sip.kill()
		return nil
	}
	c, err := d.Place(t.Context(), req)
	if provider.KindOf(err) != provider.KindOutcomeUnknown {
		t.Errorf("got %+v, %v", c, err)
	}
	known, _ := id.Load().(provider.CallID)
	if known == "" {
		t.Fatal("it never rang")
	}
	oneInvite(t, s, known)
	if err := d.End(t.Context(), known); err != nil {
		t.Error(err)
	}
	s.startSIP()
}

func noSIPService(t *testing.T, s *stack) {
	s.sip.kill()
	_ = notPlaced(t, s, s.desk(t, nil), request("no-sip/1", "+15550100001"), provider.KindUnavailable)
	s.startSIP()
}
