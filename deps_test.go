package voice_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/superservices/voice"

// deps lists what a package is built from, without cgo.
func deps(t *testing.T, pkg string) []string {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.Output()
	require.NoError(t, err)
	list := strings.Fields(string(out))
	require.NotEmpty(t, list)
	return list
}

// A host that imports only voicetask gets no Kafka, no LiveKit and no database
// package, and needs no C compiler. A blank import of kafkasrc in voicetask makes
// this fail.
func TestVoicetaskIsLight(t *testing.T) {
	for _, pkg := range []string{"/voicetask", "/voicetask/voicetasktest"} {
		list := deps(t, module+pkg)
		// Its driver package, which is types only, comes with google/uuid.
		require.False(t, slices.Contains(list, "database/sql"), "%s is built from database/sql", pkg)
		for _, dep := range list {
			for _, heavy := range []string{"confluent", "kafka", "livekit", "sqlstore", "sqlite", "pgx", "phonenumbers"} {
				require.NotContains(t, dep, heavy, "%s is built from %s", pkg, dep)
			}
		}
	}
	build := exec.Command("go", "build", module+"/voicetask", module+"/provider/...", module+"/store/...")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// The packages import each other in one direction only.
func TestImportRules(t *testing.T) {
	standard := func(dep string) bool { return !strings.Contains(strings.SplitN(dep, "/", 2)[0], ".") }
	for pkg, allowed := range map[string][]string{
		"/provider":                     {},
		"/store":                        {"/provider"},
		"/store/sqlstore":               {"/provider", "/store"},
		"/internal/fault":               {},
		"/internal/fence":               {"/provider", "/store"},
		"/internal/carrier":             {},
		"/internal/carrier/cmd/carrier": {"/internal/carrier", "/internal/carrier/fakevapi", "/internal/carrier/fakelivekit"},
	} {
		for _, dep := range deps(t, module+pkg) {
			if standard(dep) || dep == module+pkg {
				continue
			}
			inside, ours := strings.CutPrefix(dep, module)
			require.True(t, ours, "%s is built from %s, but needs only the standard library and this module", pkg, dep)
			require.Contains(t, allowed, inside, "%s is built from %s", pkg, inside)
		}
	}
	for _, pkg := range []string{"/provider/...", "/store/...", "/voicetask/..."} {
		for _, dep := range deps(t, module+pkg) {
			require.NotContains(t, dep, "confluent", "only kafkasrc may import Kafka, but %s does", pkg)
		}
	}
	for _, pkg := range []string{"/provider/vapi", "/provider/livekit"} {
		require.False(t, slices.Contains(deps(t, module+pkg), module+"/voicetask"), "%s imports voicetask", pkg)
	}
}
