package hosttest

import (
	"context"
	"testing"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/voicetask"
	"github.com/superservices/voice/voicetask/voicetasktest"
)

// begin: host test

func TestSuppressedNumberIsNotDialled(t *testing.T) {
	all := func(context.Context, string) (bool, error) { return true, nil }
	env := voicetasktest.New(t, voicetask.Config{Gates: []voicetask.Gate{Suppression{all}}})
	res, err := env.Run(voicetasktest.Task("t1"))
	if err != nil || res.Outcome != provider.OutcomeCancelled {
		t.Errorf("got %s (%s), %v, want cancelled", res.Outcome, res.Reason, err)
	}
	if n := env.Fake.Dials(); n != 0 {
		t.Errorf("%d phones rang, want none", n)
	}
}

func TestFaultIsDialledAgain(t *testing.T) {
	none := func(context.Context, string) (bool, error) { return false, nil }
	env := voicetasktest.New(t, voicetask.Config{Gates: []voicetask.Gate{Suppression{none}}},
		providertest.Step{Outcome: provider.OutcomeProviderFault}, providertest.Step{Outcome: provider.OutcomeCompleted})
	res, err := env.Run(voicetasktest.Task("t2"))
	if err != nil || res.Outcome != provider.OutcomeCompleted {
		t.Errorf("got %s (%s), %v, want completed", res.Outcome, res.Reason, err)
	}
	if first, all := env.Fake.Dials("t2/1"), env.Fake.Dials(); first != 1 || all != 2 {
		t.Errorf("%d phones rang, %d of them for the first dial, want 2 and 1", all, first)
	}
}

// end: host test
