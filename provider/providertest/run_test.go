package providertest

import (
	"cmp"
	"errors"
	"testing"
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

func TestUnlike(t *testing.T) {
	for _, id := range []provider.CallID{"call-1", "0199c1a4-6b1e-7cc0-8a53-5e0f2f6a9d01", "PA_xYz09", "---", "é", ""} {
		other := unlike(id)
		assert.NotEqual(t, id, other)
		assert.Equal(t, cmp.Compare(len(id), 3) > 0, len(other) == len(id) && len(id) > 3, id)
	}
	assert.Regexp(t, `^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`, unlike("0199c1a4-6b1e-7cc0-8a53-5e0f2f6affff"))
}
