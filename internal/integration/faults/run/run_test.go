package run

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTheDocumentHasTheTable(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "docs", "faults.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), Table()) {
		t.Error(`docs/faults.md lacks the table as it is: put in what "faults table" prints`)
	}
}

// The 25 cells of the matrix are all there, and none twice.
func TestAllCellsAreThere(t *testing.T) {
	seen := map[string]bool{}
	numbers := map[int]bool{}
	short := 0
	for _, c := range Cells() {
		if seen[c.Label()] {
			t.Errorf("cell %s is there twice", c.Label())
		}
		seen[c.Label()], numbers[c.Number] = true, true
		if c.Name == "" || c.Expect == "" {
			t.Errorf("cell %s does not say what it is", c.Label())
		}
		if c.Point == "" && c.Count == nil && c.Virtual == "" {
			t.Errorf("cell %s does not prove that its fault took place", c.Label())
		}
		if c.Point == "" && c.Inject == "" {
			t.Errorf("cell %s does not say how", c.Label())
		}
		if c.Short {
			short++
		}
	}
	for n := 1; n <= 25; n++ {
		if !numbers[n] {
			t.Errorf("cell %d is missing", n)
		}
	}
	if short < 8 {
		t.Errorf("the short form has %d cells", short)
	}
}

func TestTheSeedRepeatsTheSchedule(t *testing.T) {
	one, again := schedule(7, 60, time.Minute), schedule(7, 60, time.Minute)
	if !reflect.DeepEqual(one, again) {
		t.Error("the same seed gives another schedule")
	}
	if reflect.DeepEqual(one, schedule(8, 60, time.Minute)) {
		t.Error("another seed gives the same schedule")
	}
	if !slices.IsSortedFunc(one, func(a, b planned) int { return int(a.At - b.At) }) || len(one) != 60 || one[59].At >= time.Minute {
		t.Errorf("%v", one)
	}
}

// Over many seeds everything is broken in every way.
func TestSchedulesLeaveNothingOut(t *testing.T) {
	kinds, processes, points := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for seed := range uint64(20) {
		window := 0
		for _, p := range schedule(seed, 60, time.Minute) {
			kinds[p.Kind], processes[p.Process], points[p.Point] = true, true, true
			if slices.Contains(windowPoints, p.Point) && p.Action != "sleep:2500ms" {
				window++
			}
		}
		if window > 1 {
			t.Errorf("seed %d breaks %d processes where nobody can know what became of the dial", seed, window)
		}
	}
	for _, kind := range []string{atPoint, killNow, freezeNow, cutOff, holdUp, noAnswers, hooks, platform, storeReply, resetting, backend} {
		if !kinds[kind] {
			t.Errorf("no fault %s", kind)
		}
	}
	for _, process := range []string{workerA, workerB, consumer1, "producer", "temporal", "postgres", "broker", "carrier", "platform"} {
		if !processes[process] {
			t.Errorf("%s is never broken", process)
		}
	}
	for _, point := range slices.Concat(workerPoints, windowPoints, consumerPoints, failing) {
		if !points[point] {
			t.Errorf("nothing is broken at %s", point)
		}
	}
}
