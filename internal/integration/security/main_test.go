// Package security holds the tests of what must be seen nowhere: numbers, names,
// transcripts, control URLs, carriers' secrets. They run on a real Temporal dev server
// with its database on disk, so that everything it keeps can be searched.
package security

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"github.com/superservices/voice/internal/integration/devserver"
)

// server is the Temporal dev server, and database where it keeps everything.
var (
	server   *testsuite.DevServer
	database string
)

// searchAttribute is what a host might register.
const searchAttribute = "VoiceCampaign"

// identity replaces the SDK's own, which names the machine.
const identity = "voice-security-test"

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "voice-security")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	database = filepath.Join(dir, "temporal.db")
	server, err = devserver.Start(context.Background(), "--db-filename", database, "--search-attribute", searchAttribute+"=Keyword")
	if err != nil {
		fmt.Fprintln(os.Stderr, "no real Temporal server, so nothing here can be tested:", err)
		return 1
	}
	defer func() { _ = server.Stop() }()
	fmt.Fprintln(os.Stderr, "real here: Temporal dev server, SQLite, the adapters' HTTP and webhooks. Scripted: the platforms behind them, and phones.")
	return m.Run()
}

func options(logger *slog.Logger) client.Options {
	return client.Options{HostPort: server.FrontendHostPort(), Identity: identity, Logger: log.NewStructuredLogger(logger)}
}
