package virtual

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
	"github.com/superservices/voice/voicetask/voicetasktest"
)

var errDiskFull = errors.New("the disk is full")

// outage is a store that takes no result until a time.
type outage struct {
	store.Store
	now     func() time.Time
	until   func() time.Time
	refused int
}

func (o *outage) Update(ctx context.Context, r store.Record) (store.Record, error) {
	if r.Status.Terminal() && o.now().Before(o.until()) {
		o.refused++
		return store.Record{}, errDiskFull
	}
	return o.Store.Update(ctx, r)
}

// TestCell20 has the store refuse results for an hour.
func TestCell20(t *testing.T) {
	rows := &outage{Store: store.NewMemory()}
	var env *voicetasktest.Env
	rows.now = func() time.Time { return env.Now() }
	rows.until = func() time.Time { return voicetasktest.Start.Add(time.Hour) }
	env = voicetasktest.New(t, voicetask.Config{Store: rows}, providertest.Step{Outcome: provider.OutcomeCompleted, Lasts: time.Minute})
	res, err := env.Run(voicetasktest.Task("t1"))
	if err != nil {
		t.Fatal(err)
	}
	row, err := rows.Get(t.Context(), "t1")
	if err != nil {
		t.Fatal(err)
	}
	if res.Outcome != provider.OutcomeCompleted || row.Status != store.StatusCompleted || env.Fake.Dials() != 1 {
		t.Errorf("%s, row %s, %d dials", res.Outcome, row.Status, env.Fake.Dials())
	}
	if rows.refused < 30 || env.Now().Before(rows.until()) {
		t.Errorf("the store refused %d results, until %v: was there an outage?", rows.refused, env.Now())
	}
}
