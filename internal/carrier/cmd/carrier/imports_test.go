package main

import (
	"os/exec"
	"strings"
	"testing"
)

// The witness shares no code with what it watches.
func TestImportsNothingOfTheModuleButTheCarrier(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	const module, own = "github.com/superservices/voice", "github.com/superservices/voice/internal/carrier"
	seen := 0
	for dep := range strings.FieldsSeq(string(out)) {
		switch {
		case dep == own || strings.HasPrefix(dep, own+"/"):
			seen++
		case strings.HasPrefix(dep, module):
			t.Errorf("it imports %s", dep)
		case strings.Contains(strings.SplitN(dep, "/", 2)[0], "."):
			t.Errorf("it imports %s: the standard library is enough for it", dep)
		}
	}
	if seen < 3 {
		t.Errorf("go list named %d of the carrier's packages: does it list anything?", seen)
	}
}
