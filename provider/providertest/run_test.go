package providertest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/superservices/voice/provider"
)

const callee = "+15550001234"

// harnessOf is the harness of a Fake that wrap may break. Blocking makes all its
// steps block.
func harnessOf(blocking bool, wrap func(f *Fake) provider.Provider) Harness {
	var f *Fake
	next := func(s Step) {
		s.Blocking = s.Blocking || blocking
		f.Next(s)
	}
	return Harness{
		New: func(*testing.T) provider.Provider {
			f = NewFake("fake", Step{Blocking: blocking})
			return wrap(f)
		},
		Request: func(key string) provider.Request {
			return provider.Request{Key: key, To: callee}
		},
		Dials:     func() int { return f.Dials() },
		LoseReply: func() { next(Step{LoseReply: true}) },
		Trouble: func(kind Trouble) {
			switch kind {
			case FaultAfterAccept, ClosedConnection:
				next(Step{LoseReply: true})
			case Slow:
				next(Step{Blocking: true})
			case FindLag:
				next(Step{Hidden: 30 * time.Millisecond})
			}
		},
		Refuse: func(k provider.Kind) {
			next(Step{Fail: &provider.Error{Provider: "fake", Op: "place", Kind: k, Err: errors.New("refused")}})
		},
		Finish: func(id provider.CallID, o provider.Outcome) { f.Finish(id, o) },
	}
}

func intact(f *Fake) provider.Provider { return f }

func TestFakeConforms(t *testing.T) {
	t.Run("plain", func(t *testing.T) { Run(t, harnessOf(false, intact)) })
	t.Run("blocking", func(t *testing.T) { Run(t, harnessOf(true, intact)) })
}

func TestRunWithoutHooks(t *testing.T) {
	h := harnessOf(false, intact)
	Run(t, Harness{New: h.New, Request: h.Request, Cannot: map[string]string{
		"Dials": "nobody counts", "LoseReply": "replies are safe", "Trouble": "none", "Refuse": "it never refuses",
		"Finish/completed": "callees talk for ever", "Finish/no_answer": "callees always answer",
	}})
}

// recorder is a reporter that only writes down.
type recorder struct {
	mu     sync.Mutex
	errors []string
}

func (r *recorder) Helper()             {}
func (r *recorder) Logf(string, ...any) {}
func (r *recorder) FailNow()            { runtime.Goexit() }
func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

// failures makes every check that h allows and returns what those that failed said.
func failures(t *testing.T, h Harness) map[string][]string {
	t.Helper()
	s := newSuite(h)
	failed := map[string][]string{}
	for _, chk := range checks() {
		if s.skips(chk) != "" {
			continue
		}
		r := &recorder{}
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.run(t, r, chk)
		}()
		<-done
		if len(r.errors) > 0 {
			failed[chk.name] = r.errors
		}
	}
	return failed
}

// failuresInABubble are the failures over an in-process platform, where the waiting
// for what never comes takes no time.
func failuresInABubble(t *testing.T, h Harness) (failed map[string][]string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { failed = failures(t, h) })
	return failed
}

// broken is a Fake of which some methods are replaced.
type broken struct {
	*Fake
	name   func() string
	traits func() provider.Traits
	place  func(ctx context.Context, req provider.Request) (provider.Call, error)
	get    func(ctx context.Context, id provider.CallID) (provider.Call, error)
	end    func(ctx context.Context, id provider.CallID) error
	find   func(ctx context.Context, key string, since time.Time) (provider.Call, error)
}

func (b *broken) Name() string {
	if b.name != nil {
		return b.name()
	}
	return b.Fake.Name()
}

func (b *broken) Traits() provider.Traits {
	if b.traits != nil {
		return b.traits()
	}
	return b.Fake.Traits()
}

func (b *broken) Place(ctx context.Context, req provider.Request) (provider.Call, error) {
	if b.place != nil {
		return b.place(ctx, req)
	}
	return b.Fake.Place(ctx, req)
}

func (b *broken) Get(ctx context.Context, id provider.CallID) (provider.Call, error) {
	if b.get != nil {
		return b.get(ctx, id)
	}
	return b.Fake.Get(ctx, id)
}

func (b *broken) End(ctx context.Context, id provider.CallID) error {
	if b.end != nil {
		return b.end(ctx, id)
	}
	return b.Fake.End(ctx, id)
}

func (b *broken) Find(ctx context.Context, key string, since time.Time) (provider.Call, error) {
	if b.find != nil {
		return b.find(ctx, key, since)
	}
	return b.Fake.Find(ctx, key, since)
}

// listing is a broken that lists, too.
type listing struct {
	*broken
	list iter.Seq2[provider.Call, error]
}

func (l *listing) List(context.Context, time.Time) iter.Seq2[provider.Call, error] { return l.list }

// breakage is a provider with one fault.
type breakage struct {
	fault    string
	blocking bool
	wrap     func(f *Fake) provider.Provider
	want     []string
}

// allBut is what fails where a fault is gross.
func allBut(spared ...string) []string {
	var all []string
	for _, chk := range checks() {
		if !slices.Contains(spared, chk.name) {
			all = append(all, chk.name)
		}
	}
	return all
}

// breakages are providers with one fault each, and the checks that must object. No
// other check may.
var breakages = []breakage{
	{
		"the name changes", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, name: func() string {
				if f.Dials() > 0 {
					return "fake2"
				}
				return "fake"
			}}
		},
		[]string{"Name"},
	},
	{
		"the name is not lower case", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, name: func() string { return "Fake" }}
		},
		[]string{"Name", "Errors"},
	},
	{
		"the traits change with the first call", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, traits: func() provider.Traits {
				return provider.Traits{Events: true, VisibilityLag: time.Duration(f.Dials()) * time.Second}
			}}
		},
		[]string{"Traits"},
	},
	{
		"a lost answer is sent again", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				c, err := f.Place(ctx, req)
				if errors.Is(err, provider.ErrOutcomeUnknown) && ctx.Err() == nil {
					return f.Place(ctx, req)
				}
				return c, err
			}}
		},
		[]string{"LoseReply", "Trouble/fault_after_accept", "Trouble/closed_connection"},
	},
	{
		"every call is dialled twice", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				_, _ = f.Place(ctx, req)
				return f.Place(ctx, req)
			}}
		},
		allBut("Harness", "Place/cancelled_context", "Place/idempotent", "OnPlaced", "Find/unknown", "Find/cancelled_context", "List", "Errors"),
	},
	{
		"a refusal is sent again", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				c, err := f.Place(ctx, req)
				if provider.KindOf(err).NotPlaced() {
					return f.Place(ctx, req)
				}
				return c, err
			}}
		},
		[]string{
			"Refuse/invalid_request", "Refuse/unauthenticated", "Refuse/not_found", "Refuse/rejected",
			"Refuse/rate_limited", "Refuse/unavailable",
		},
	},
	{
		"every refusal is of one kind", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				c, err := f.Place(ctx, req)
				if provider.KindOf(err).NotPlaced() {
					return c, &provider.Error{Provider: "fake", Op: "place", Kind: provider.KindRejected, Err: err}
				}
				return c, err
			}}
		},
		[]string{
			"Refuse/invalid_request", "Refuse/unauthenticated", "Refuse/not_found", "Refuse/rate_limited", "Refuse/unavailable",
		},
	},
	{
		"a refused key is refused for ever", false, func(f *Fake) provider.Provider {
			seen := sync.Map{}
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				if _, again := seen.LoadOrStore(req.Key, true); again {
					return provider.Call{}, &provider.Error{Provider: "fake", Op: "place", Kind: provider.KindRejected}
				}
				return f.Place(ctx, req)
			}}
		},
		[]string{
			"Refuse/invalid_request", "Refuse/unauthenticated", "Refuse/not_found", "Refuse/rejected",
			"Refuse/rate_limited", "Refuse/unavailable",
		},
	},
	{
		"a lost answer is called unavailable", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				c, err := f.Place(ctx, req)
				if errors.Is(err, provider.ErrOutcomeUnknown) {
					err = &provider.Error{Provider: "fake", Op: "place", Kind: provider.KindUnavailable, Err: err}
				}
				return c, err
			}}
		},
		[]string{"LoseReply", "Trouble/fault_after_accept", "Trouble/closed_connection", "Trouble/slow"},
	},
	{
		"a call is hung up when the context ends", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				onPlaced := req.OnPlaced
				req.OnPlaced = func(c provider.Call) error {
					context.AfterFunc(ctx, func() { _ = f.End(context.WithoutCancel(ctx), c.ID) })
					return onPlaced(c)
				}
				return f.Place(ctx, req)
			}}
		},
		[]string{"Trouble/slow"},
	},
	{
		"a call is hung up when its context ends later", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				c, err := f.Place(ctx, req)
				if err == nil {
					context.AfterFunc(ctx, func() { _ = f.End(context.WithoutCancel(ctx), c.ID) })
				}
				return c, err
			}}
		},
		[]string{"Place/context_ends_later"},
	},
	{
		"Place does not heed its context", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				return f.Place(context.WithoutCancel(ctx), req)
			}}
		},
		[]string{"Place/cancelled_context", "Trouble/slow", "Errors"},
	},
	{
		"a call made up when there is no time to place one", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				if ctx.Err() != nil {
					return provider.Call{ID: "call-0", Status: provider.StatusQueued}, nil
				}
				return f.Place(ctx, req)
			}}
		},
		[]string{"Place/cancelled_context"},
	},
	{
		"a call without an id", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				c, err := f.Place(ctx, req)
				c.ID = ""
				return c, err
			}}
		},
		allBut("Harness", "Place/cancelled_context", "Place/idempotent", "OnPlaced", "Find/unknown", "Find/cancelled_context", "List",
			"LoseReply", "Trouble/fault_after_accept", "Trouble/slow"),
	},
	{
		"two calls at once get one id", false, func(f *Fake) provider.Provider {
			var mu sync.Mutex
			busy := 0
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				mu.Lock()
				busy++
				mu.Unlock()
				time.Sleep(5 * time.Millisecond)
				c, err := f.Place(ctx, req)
				mu.Lock()
				defer mu.Unlock()
				if busy > 1 && err == nil {
					c.ID = "call-1"
				}
				busy--
				return c, err
			}}
		},
		[]string{"Place/concurrent"},
	},
	{
		"keys are cut to 190 bytes", false, func(f *Fake) provider.Provider {
			cut := func(key string) string { return key[:min(len(key), 190)] }
			return &broken{
				Fake: f,
				place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
					req.Key = cut(req.Key)
					c, err := f.Place(ctx, req)
					c.Key = ""
					return c, err
				},
				find: func(ctx context.Context, key string, since time.Time) (provider.Call, error) {
					c, err := f.Find(ctx, cut(key), since)
					c.Key = ""
					return c, err
				},
			}
		},
		[]string{"Place/odd_keys"},
	},
	{
		"an idempotent platform that is none", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, traits: func() provider.Traits { return provider.Traits{IdempotentPlace: true} }}
		},
		[]string{"Place/idempotent"},
	},
	{
		"an unknown call has ended", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, get: func(ctx context.Context, id provider.CallID) (provider.Call, error) {
				c, err := f.Get(ctx, id)
				if errors.Is(err, provider.ErrNotFound) {
					return provider.Call{ID: id, Status: provider.StatusEnded, Outcome: provider.OutcomeCompleted}, nil
				}
				return c, err
			}}
		},
		[]string{"Get/unknown"},
	},
	{
		"Get shows another call", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, get: func(ctx context.Context, id provider.CallID) (provider.Call, error) {
				c, err := f.Get(ctx, id)
				c.ID += "0"
				return c, err
			}}
		},
		[]string{"Get"},
	},
	{
		"the end of a call cannot be known", false, func(f *Fake) provider.Provider {
			return &broken{
				Fake:   f,
				traits: func() provider.Traits { return provider.Traits{} },
				get: func(context.Context, provider.CallID) (provider.Call, error) {
					return provider.Call{}, &provider.Error{Provider: "fake", Op: "get", Kind: provider.KindUnsupported}
				},
			}
		},
		[]string{"Get"},
	},
	{
		"an outcome of the vendor's own", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, get: func(ctx context.Context, id provider.CallID) (provider.Call, error) {
				c, err := f.Get(ctx, id)
				if c.Outcome == provider.OutcomeCompleted {
					c.Outcome = "customer-ended-call"
				}
				return c, err
			}}
		},
		[]string{"Finish/completed"},
	},
	{
		"no answer counts as completed", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, get: func(ctx context.Context, id provider.CallID) (provider.Call, error) {
				c, err := f.Get(ctx, id)
				if c.Outcome == provider.OutcomeNoAnswer {
					c.Outcome = provider.OutcomeCompleted
				}
				return c, err
			}}
		},
		[]string{"Finish/no_answer"},
	},
	{
		"what was not answered has a time of answer", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, get: func(ctx context.Context, id provider.CallID) (provider.Call, error) {
				c, err := f.Get(ctx, id)
				c.AnsweredAt = c.CreatedAt
				return c, err
			}}
		},
		[]string{"Finish/no_answer"},
	},
	{
		"a call that ended comes back to life", false, func(f *Fake) provider.Provider {
			var mu sync.Mutex
			ended := map[provider.CallID]int{}
			return &broken{Fake: f, get: func(ctx context.Context, id provider.CallID) (provider.Call, error) {
				c, err := f.Get(ctx, id)
				mu.Lock()
				defer mu.Unlock()
				if c.Status == provider.StatusEnded {
					if ended[id]++; ended[id] > 1 {
						c.Status, c.Outcome = provider.StatusInProgress, ""
					}
				}
				return c, err
			}}
		},
		[]string{"Finish/completed", "Finish/no_answer"},
	},
	{
		"local times", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, get: func(ctx context.Context, id provider.CallID) (provider.Call, error) {
				c, err := f.Get(ctx, id)
				c.CreatedAt = c.CreatedAt.In(time.FixedZone("CET", 3600))
				return c, err
			}}
		},
		[]string{"Get", "End", "End/twice", "Finish/completed", "Finish/no_answer"},
	},
	{
		"End of an unknown call is an error", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, end: func(ctx context.Context, id provider.CallID) error {
				if _, err := f.Get(ctx, id); err != nil {
					return &provider.Error{Provider: "fake", Op: "end", Kind: provider.KindOf(err)}
				}
				return f.End(ctx, id)
			}}
		},
		[]string{"End/unknown"},
	},
	{
		"End of an ended call is an error", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, end: func(ctx context.Context, id provider.CallID) error {
				if c, err := f.Get(ctx, id); err == nil && c.Status == provider.StatusEnded {
					return &provider.Error{Provider: "fake", Op: "end", Kind: provider.KindRejected}
				}
				return f.End(ctx, id)
			}}
		},
		[]string{"End/twice", "Concurrent"},
	},
	{
		"End does nothing", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, end: func(context.Context, provider.CallID) error { return nil }}
		},
		[]string{"End", "End/twice"},
	},
	{
		"End works the second time", false, func(f *Fake) provider.Provider {
			asked := sync.Map{}
			return &broken{Fake: f, end: func(ctx context.Context, id provider.CallID) error {
				if _, again := asked.LoadOrStore(id, true); !again {
					return nil
				}
				return f.End(ctx, id)
			}}
		},
		[]string{"End"},
	},
	{
		"End of a call that was seen to have ended is an error", false, func(f *Fake) provider.Provider {
			over := sync.Map{}
			return &broken{
				Fake: f,
				get: func(ctx context.Context, id provider.CallID) (provider.Call, error) {
					c, err := f.Get(ctx, id)
					if c.Status == provider.StatusEnded {
						over.Store(id, true)
					}
					return c, err
				},
				end: func(ctx context.Context, id provider.CallID) error {
					if _, known := over.Load(id); known {
						return &provider.Error{Provider: "fake", Op: "end", Kind: provider.KindRejected}
					}
					return f.End(ctx, id)
				},
			}
		},
		[]string{"End/twice"},
	},
	{
		"Find looks at the task only", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, find: func(ctx context.Context, key string, since time.Time) (provider.Call, error) {
				taskID, _, _ := provider.SplitKey(key)
				return f.Find(ctx, provider.Key(taskID, 1), since)
			}}
		},
		[]string{"Find"},
	},
	{
		"Find makes calls up", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, find: func(ctx context.Context, key string, since time.Time) (provider.Call, error) {
				c, err := f.Find(ctx, key, since)
				if errors.Is(err, provider.ErrNotFound) && f.Dials() == 0 {
					return provider.Call{ID: "call-0", Key: key, Status: provider.StatusQueued}, nil
				}
				return c, err
			}}
		},
		[]string{"Find/unknown"},
	},
	{
		"a search cut short found nothing", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, find: func(ctx context.Context, key string, since time.Time) (provider.Call, error) {
				c, err := f.Find(ctx, key, since)
				if ctx.Err() != nil {
					err = &provider.Error{Provider: "fake", Op: "find", Kind: provider.KindNotFound}
				}
				return c, err
			}}
		},
		[]string{"Find/cancelled_context"},
	},
	{
		"Find never sees a call that it missed once", false, func(f *Fake) provider.Provider {
			missed := sync.Map{}
			return &broken{Fake: f, find: func(ctx context.Context, key string, since time.Time) (provider.Call, error) {
				c, err := f.Find(ctx, key, since)
				if _, before := missed.Load(key); before || errors.Is(err, provider.ErrNotFound) {
					missed.Store(key, true)
					return provider.Call{}, &provider.Error{Provider: "fake", Op: "find", Kind: provider.KindNotFound}
				}
				return c, err
			}}
		},
		[]string{"Trouble/find_lag"},
	},
	{
		"Find does not see a call whose answer was lost", false, func(f *Fake) provider.Provider {
			kept := sync.Map{}
			return &broken{
				Fake: f,
				place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
					c, err := f.Place(ctx, req)
					if err == nil {
						kept.Store(req.Key, true)
					}
					return c, err
				},
				find: func(ctx context.Context, key string, since time.Time) (provider.Call, error) {
					if _, ok := kept.Load(key); !ok && ctx.Err() == nil {
						return provider.Call{}, &provider.Error{Provider: "fake", Op: "find", Kind: provider.KindNotFound}
					}
					return f.Find(ctx, key, since)
				},
			}
		},
		[]string{"LoseReply", "Trouble/fault_after_accept", "Trouble/closed_connection", "Trouble/slow"},
	},
	{
		"the number is in the errors", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				c, err := f.Place(ctx, req)
				if err != nil {
					err = &provider.Error{Provider: "fake", Op: "place", Kind: provider.KindOf(err), Err: fmt.Errorf("dialling %s: %w", req.To, err)}
				}
				return c, err
			}}
		},
		[]string{"Errors"},
	},
	{
		"errors of no type", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				c, err := f.Place(ctx, req)
				if errors.Is(err, provider.ErrOutcomeUnknown) {
					err = errors.New("unexpected EOF")
				}
				return c, err
			}}
		},
		[]string{"Errors"},
	},
	{
		"errors that do not say whose", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, find: func(ctx context.Context, key string, since time.Time) (provider.Call, error) {
				c, err := f.Find(ctx, key, since)
				if err != nil {
					err = &provider.Error{Kind: provider.KindOf(err)}
				}
				return c, err
			}}
		},
		[]string{"Errors"},
	},
	{
		"one question at a time", false, func(f *Fake) provider.Provider {
			var mu sync.Mutex
			return &broken{Fake: f, get: func(ctx context.Context, id provider.CallID) (provider.Call, error) {
				if !mu.TryLock() {
					return provider.Call{}, &provider.Error{Provider: "fake", Op: "get", Kind: provider.KindRateLimited}
				}
				defer mu.Unlock()
				time.Sleep(2 * time.Millisecond)
				return f.Get(ctx, id)
			}}
		},
		[]string{"Concurrent"},
	},
	{
		"List sees nothing", false, func(f *Fake) provider.Provider {
			return &listing{&broken{Fake: f}, func(func(provider.Call, error) bool) {}}
		},
		[]string{"List"},
	},
	{
		"List fails", false, func(f *Fake) provider.Provider {
			return &listing{&broken{Fake: f}, func(yield func(provider.Call, error) bool) {
				yield(provider.Call{}, &provider.Error{Provider: "fake", Op: "list", Kind: provider.KindUnavailable})
			}}
		},
		[]string{"List"},
	},
	{
		"a blocking provider that tells nobody", true, func(f *Fake) provider.Provider {
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				req.OnPlaced = nil
				return f.Place(ctx, req)
			}}
		},
		allBut("Harness", "Place/cancelled_context", "Place/idempotent", "Find/unknown", "Find/cancelled_context", "List",
			"LoseReply", "Trouble/fault_after_accept", "Trouble/slow"),
	},
	{
		"a blocking provider that gives up when the id was not kept", true, func(f *Fake) provider.Provider {
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				ctx, cancel := context.WithCancelCause(ctx)
				onPlaced := req.OnPlaced
				req.OnPlaced = func(c provider.Call) error {
					if err := onPlaced(c); err != nil {
						cancel(err)
					}
					return nil
				}
				return f.Place(ctx, req)
			}}
		},
		[]string{"OnPlaced"},
	},
	{
		"a blocking provider that returns a live call", true, func(f *Fake) provider.Provider {
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				c, err := f.Place(ctx, req)
				if err == nil && c.Outcome != provider.OutcomeNoAnswer {
					c.Status, c.Outcome = provider.StatusInProgress, ""
				}
				return c, err
			}}
		},
		[]string{"Place", "Finish/completed"},
	},
	{
		"a blocking provider that returns a call live that was hung up", true, func(f *Fake) provider.Provider {
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				c, err := f.Place(ctx, req)
				if c.Outcome == provider.OutcomeCancelled {
					c.Status, c.Outcome = provider.StatusInProgress, ""
				}
				return c, err
			}}
		},
		[]string{"Place"},
	},
	{
		"a blocking provider that hangs up when the context ends", true, func(f *Fake) provider.Provider {
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				onPlaced := req.OnPlaced
				req.OnPlaced = func(c provider.Call) error {
					context.AfterFunc(ctx, func() { _ = f.End(context.WithoutCancel(ctx), c.ID) })
					return onPlaced(c)
				}
				return f.Place(ctx, req)
			}}
		},
		[]string{"Place/context_ends_later", "Trouble/slow"},
	},
}

// A refusal of one kind that is told as another.
func init() {
	for _, kind := range kindsOf[hookRefuse] {
		told := provider.KindRejected
		if kind == string(told) {
			told = provider.KindInvalidRequest
		}
		breakages = append(breakages, breakage{
			"a refusal of kind " + kind + " is told as another", false, func(f *Fake) provider.Provider {
				return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
					c, err := f.Place(ctx, req)
					if provider.KindOf(err) == provider.Kind(kind) {
						err = &provider.Error{Provider: "fake", Op: "place", Kind: told, Err: err}
					}
					return c, err
				}}
			},
			[]string{"Refuse/" + kind},
		})
	}
}

// TestRunObjects sees each breakage fail the checks it is to fail and no other, and
// each check fail alone.
func TestRunObjects(t *testing.T) {
	alone := map[string]bool{"Harness": true} // TestHarnessProblems
	for _, b := range httpBreakages {         // TestRunObjectsOverHTTP
		if len(b.want) == 1 {
			alone[b.want[0]] = true
		}
	}
	ran := 0
	for _, b := range breakages {
		t.Run(strings.ReplaceAll(b.fault, " ", "_"), func(t *testing.T) {
			ran++
			failed := failuresInABubble(t, harnessOf(b.blocking, b.wrap))
			got := slices.Sorted(maps.Keys(failed))
			if len(got) == 1 {
				alone[got[0]] = true
			}
			if !assert.Equal(t, slices.Sorted(slices.Values(b.want)), got) {
				for name, said := range failed {
					t.Logf("%s: %s", name, strings.Join(said, "\n"))
				}
			}
		})
	}
	if ran < len(breakages) { // -run has chosen some
		return
	}
	for _, chk := range checks() {
		assert.True(t, alone[chk.name], "no breakage makes the check %s object, and no other", chk.name)
	}
}

func TestIntactFailsNothing(t *testing.T) {
	assert.Empty(t, failuresInABubble(t, harnessOf(false, intact)))
	assert.Empty(t, failuresInABubble(t, harnessOf(true, intact)))
}

func TestHarnessProblems(t *testing.T) {
	full := harnessOf(false, intact)
	for _, tt := range []struct {
		name string
		edit func(h *Harness)
		want string // in the only problem; "" = none
	}{
		{"complete", func(*Harness) {}, ""},
		{"nil and explained", func(h *Harness) { h.LoseReply = nil; h.Cannot = map[string]string{"LoseReply": "why"} }, ""},
		{"nil and all kinds explained", func(h *Harness) {
			h.Finish = nil
			h.Cannot = map[string]string{"Finish/completed": "why", "Finish/no_answer": "why"}
		}, ""},
		{"one kind explained", func(h *Harness) { h.Cannot = map[string]string{"Trouble/find_lag": "why"} }, ""},
		{"nil LoseReply", func(h *Harness) { h.LoseReply = nil }, "Harness.LoseReply is nil"},
		{"nil Dials", func(h *Harness) { h.Dials = nil }, "Harness.Dials is nil"},
		{"nil Refuse", func(h *Harness) { h.Refuse = nil }, "Harness.Refuse is nil"},
		{"nil and one kind explained", func(h *Harness) {
			h.Finish = nil
			h.Cannot = map[string]string{"Finish/completed": "why"}
		}, "why Finish/no_answer cannot be had"},
		{"there and explained away", func(h *Harness) { h.Cannot = map[string]string{"Dials": "why"} }, "drop one of them"},
		{"a typo", func(h *Harness) { h.Cannot = map[string]string{"Trouble/findlag": "why"} }, `Cannot["Trouble/findlag"]`},
		{"no such hook", func(h *Harness) { h.Cannot = map[string]string{"Hangup": "why"} }, `Cannot["Hangup"]`},
		{"no reason", func(h *Harness) { h.Cannot = map[string]string{"Trouble/slow": " "} }, "gives no reason"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := full
			tt.edit(&h)
			problems := h.problems()
			if tt.want == "" {
				assert.Empty(t, problems)
				return
			}
			if assert.Len(t, problems, 1) {
				assert.Contains(t, problems[0], tt.want)
			}
			assert.Equal(t, map[string][]string{"Harness": problems}, failuresInABubble(t, h))
		})
	}
}

func TestSkips(t *testing.T) {
	h := harnessOf(false, intact)
	h.Refuse = nil
	h.Cannot = map[string]string{"Refuse": "it never refuses", "Trouble/slow": "it is quick"}
	s := newSuite(h)
	assert.Equal(t, "cannot: it never refuses", s.skips(check{need: "Refuse/rejected"}))
	assert.Equal(t, "cannot: it is quick", s.skips(check{need: "Trouble/slow"}))
	assert.Empty(t, s.skips(check{need: "Trouble/find_lag"}))
	assert.Equal(t, "providertest: 3 of 9 checks made; 2 entries in Harness.Cannot\n  cannot Refuse: it never refuses\n  cannot Trouble/slow: it is quick", s.summary(3, 9))
}

func TestUnlike(t *testing.T) {
	for _, id := range []provider.CallID{"call-1", "0199c1a4-6b1e-7cc0-8a53-5e0f2f6a9d01", "PA_xYz09", "---", "é", ""} {
		other := unlike(id)
		assert.NotEqual(t, id, other)
		assert.Equal(t, cmp.Compare(len(id), 3) > 0, len(other) == len(id) && len(id) > 3, id)
	}
	assert.Regexp(t, `^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`, unlike("0199c1a4-6b1e-7cc0-8a53-5e0f2f6affff"))
}
