//go:build !voice_faults

package fault_test

import (
	"context"
	"os/exec"
	"strings"
	"testing"

	"github.com/superservices/voice/internal/fault"
)

// In an ordinary build a point is nothing: the compiler inlines it, and leaves its call
// out where its answer is thrown away.
func TestAnOrdinaryBuildHasNoPoints(t *testing.T) {
	if fault.Armed {
		t.Fatal("this binary can be made to fail")
	}
	t.Setenv("VOICE_FAULT", fault.PlaceAccepted+":kill")
	if err := fault.Point(context.Background(), fault.PlaceAccepted); err != nil {
		t.Error(err)
	}
	out, err := exec.Command("go", "build", "-gcflags=-m", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(string(out), "can inline Point") {
		t.Errorf("the compiler does not inline Point:\n%s", out)
	}
}

func BenchmarkPoint(b *testing.B) {
	ctx := context.Background()
	for b.Loop() {
		if err := fault.Point(ctx, fault.PlaceAccepted); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNothing(b *testing.B) {
	for b.Loop() {
	}
}
