package kafkabroker

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

//go:embed pom.xml
var pom []byte

//go:embed log4j2.properties
var logConfig []byte

// ErrUnavailable is wrapped by what keeps this machine from running Apache Kafka: no Java, no
// Maven, no registry.
var ErrUnavailable = errors.New("Apache Kafka cannot be had on this machine")

// EnvJars names the folder of the broker's jars; tests that find it set run on Apache Kafka.
const EnvJars = "KAFKA_JARS"

// FetchJars has Maven put the broker's jars into dir, unless they are there, and returns dir.
func FetchJars(ctx context.Context, dir string) (string, error) {
	for _, tool := range []string{"java", "mvn"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "", fmt.Errorf("%w: %s is not installed (Debian: openjdk-17-jre-headless, maven)", ErrUnavailable, tool)
		}
	}
	// The jars are complete when the pom they came from lies beside them.
	mark := filepath.Join(dir, "pom.xml")
	if have, err := os.ReadFile(mark); err == nil && bytes.Equal(have, pom) {
		return dir, nil
	}
	work, err := os.MkdirTemp("", "kafka-jars-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	file := filepath.Join(work, "pom.xml")
	if err := os.WriteFile(file, pom, 0o600); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "mvn", "-q", "-B", "-f", file, "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: Maven does not get the jars (%w): %s", ErrUnavailable, err, tail(out, 600))
	}
	return dir, os.WriteFile(mark, pom, 0o644)
}

func tail(b []byte, n int) []byte {
	return bytes.TrimSpace(b[max(0, len(b)-n):])
}
