// Package devserver starts a real Temporal dev server for a test or a benchmark.
package devserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
)

// EnvCLI names the variable with the path of the Temporal CLI. Unset, it is built
// from the pinned module in internal/tools, which takes minutes the first time.
const EnvCLI = "TEMPORAL_CLI"

// Flags make a one-shard development server answer as fast as it can: its own
// defaults throttle each dispatch to a 50 ms slot.
var Flags = []string{
	"--dynamic-config-value", "history.transferProcessorMaxPollRPS=10000",
	"--dynamic-config-value", "matching.numTaskqueueReadPartitions=1",
	"--dynamic-config-value", "matching.numTaskqueueWritePartitions=1",
}

// Start starts a server, with further flags of its own, and returns it with a client.
// Stop the server when done.
func Start(ctx context.Context, flags ...string) (*testsuite.DevServer, error) {
	path, err := CLI(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute) // a busy machine is no failure
	defer cancel()
	quiet := log.NewStructuredLogger(slog.New(slog.DiscardHandler))
	server, err := testsuite.StartDevServer(ctx, testsuite.DevServerOptions{
		ExistingPath:  path,
		ClientOptions: &client.Options{Logger: quiet},
		LogLevel:      "error",
		ExtraArgs:     append(slices.Clone(Flags), flags...),
		Stdout:        os.Stderr, Stderr: os.Stderr,
	})
	if err != nil {
		return nil, fmt.Errorf("devserver: starting %s: %w", path, err)
	}
	return server, nil
}

// CLI returns the path of the Temporal CLI: $TEMPORAL_CLI, else bin/temporal of
// the checkout, else the one it builds there.
func CLI(ctx context.Context) (string, error) {
	if path := os.Getenv(EnvCLI); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("devserver: %s: %w", EnvCLI, err)
		}
		return path, nil
	}
	root, err := Root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(root, "bin", "temporal")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Minute)
	defer cancel()
	build := exec.CommandContext(ctx, "go", "build", "-o", path, "github.com/temporalio/cli/cmd/temporal")
	build.Dir = filepath.Join(root, "internal", "tools")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("devserver: building the Temporal CLI (or set %s): %w\n%s", EnvCLI, err, out)
	}
	return path, nil
}

// Root is the root of the checkout.
func Root() (string, error) {
	_, file, _, ok := runtime.Caller(0)
	if !ok || !strings.HasSuffix(filepath.ToSlash(file), "internal/integration/devserver/devserver.go") {
		return "", errors.New("devserver: built without file names (-trimpath): run from the checkout")
	}
	return filepath.Dir(filepath.Dir(filepath.Dir(filepath.Dir(file)))), nil
}
