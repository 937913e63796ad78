package faults

import (
	"os/exec"
	"strings"
	"testing"
)

// The harness, its auditor and its producer share no code with what they watch; the
// auditor itself needs the standard library only.
func TestNothingOfTheLibraryIsIn(t *testing.T) {
	const module, own = "github.com/superservices/voice", "github.com/superservices/voice/internal/integration/faults"
	for pkg, standardOnly := range map[string]bool{"./cmd/faults": false, "./audit": true} {
		out, err := exec.Command("go", "list", "-deps", pkg).Output()
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		for dep := range strings.FieldsSeq(string(out)) {
			switch {
			case dep == own || strings.HasPrefix(dep, own+"/"):
				seen++
			case strings.HasPrefix(dep, module):
				t.Errorf("%s imports %s", pkg, dep)
			case standardOnly && strings.Contains(strings.SplitN(dep, "/", 2)[0], "."):
				t.Errorf("%s imports %s: the standard library is enough for it", pkg, dep)
			}
		}
		if seen == 0 {
			t.Errorf("go list named none of the harness's packages for %s: does it list anything?", pkg)
		}
	}
}

// The library's own processes are made of the library, else they prove nothing.
func TestTheHostIsTheLibrary(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-tags", "voice_faults", "./cmd/faulthost").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"/voicetask", "/kafkasrc", "/store/sqlstore", "/provider/vapi", "/internal/fault"} {
		if !strings.Contains(string(out), "github.com/superservices/voice"+want+"\n") {
			t.Errorf("the host is built without %s", want)
		}
	}
}
