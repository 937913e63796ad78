package voicetask

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
)

// server keeps the words that reach it, in order, as the Temporal server does: the
// last one counts.
type server struct {
	mu    sync.Mutex
	words []string
	slow  time.Duration // of a beat
	err   error         // its answer to a direct heartbeat
}

func (s *server) witness() *witness {
	w := &witness{
		attempt: 2, turn: make(chan struct{}, 1),
		ask: func(_ context.Context, word sent) error {
			s.hear("asked", &word)
			return s.err
		},
		beat: func(word *sent) {
			time.Sleep(s.slow)
			s.hear("beat", word)
		},
	}
	return w
}

func (s *server) hear(how string, word *sent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if word == nil {
		s.words = append(s.words, how)
		return
	}
	s.words = append(s.words, fmt.Sprintf("%s %d%s", how, word.Send, word.CallID))
}

var errNoServer = errors.New("no server answers")

// TestOldBeatDoesNotReplaceTheWord: a beat without it is under way when the word is left.
// What the SDK may still hold back is replaced, too.
func TestOldBeatDoesNotReplaceTheWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{slow: 2 * time.Second}
		w := s.witness()
		stop := w.keepBeating()
		time.Sleep(heartbeatTimeout/3 + time.Second) // the first beat is on its way
		require.NoError(t, w.confirm(t.Context(), sent{Send: 1}))
		stop()
		require.GreaterOrEqual(t, len(s.words), 3)
		require.Equal(t, []string{"beat", "asked 1", "beat 1"}, s.words[:3])
		require.Equal(t, "beat 1", s.words[len(s.words)-1])
	})
}

// TestWordIsTakenBack, and what the beat before it may have left in the SDK with it.
func TestWordIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{slow: 2 * time.Second}
		w := s.witness()
		stop := w.keepBeating()
		require.NoError(t, w.confirm(t.Context(), sent{Send: 1}))
		time.Sleep(heartbeatTimeout/3 + time.Second)
		w.retract(t.Context(), sent{Send: 0})
		stop()
		require.GreaterOrEqual(t, len(s.words), 4)
		require.Equal(t, []string{"asked 1", "beat 1", "asked 0", "beat 0"}, s.words[:4])
		require.Equal(t, "beat 0", s.words[len(s.words)-1])
	})
}

// TestWordIsTakenBackWhereItMayHaveBeenLeft: the answer was lost. A server that knows
// of no such execution has not heard it.
func TestWordIsTakenBackWhereItMayHaveBeenLeft(t *testing.T) {
	for err, want := range map[error][]string{
		errNoServer:                      {"asked 1", "asked 0"},
		serviceerror.NewNotFound("gone"): {"asked 1"},
	} {
		s := &server{err: err}
		w := s.witness()
		require.ErrorIs(t, w.confirm(t.Context(), sent{Send: 1}), err)
		w.retract(t.Context(), sent{Send: 0})
		require.Equal(t, want, s.words)
	}
	s := &server{}
	s.witness().retract(t.Context(), sent{Send: 0})
	require.Empty(t, s.words, "nothing was left")
}

// TestIdIsToldAtOnceWhereTheStoreIsDown.
func TestIdIsToldAtOnceWhereTheStoreIsDown(t *testing.T) {
	s := &server{}
	w := s.witness()
	w.placed("call-1")
	w.tellPlaced(t.Context())
	require.Empty(t, s.words, "no word was left to add it to")
	require.NoError(t, w.confirm(t.Context(), sent{Send: 1}))
	w.placed("call-1")
	w.tellPlaced(t.Context())
	require.Equal(t, []string{"asked 1", "asked 1call-1"}, s.words)
	require.Equal(t, "call-1", string(w.last.Load().CallID))
}
