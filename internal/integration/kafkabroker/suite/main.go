// Command suite runs kafkasrc's tests on an Apache Kafka cluster and prints each scenario by name.
// Where the broker's parts cannot be had it says SKIP and why, and succeeds, unless CI=true: then it
// fails. With -want every scenario of that list has to pass, and no other may.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/superservices/voice/internal/integration/kafkabroker"
)

func main() {
	jars := flag.String("jars", "", "folder for the broker's jars, kept between runs")
	list := flag.String("want", "", "file with the names of the scenarios, one a line")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *jars, *list, flag.Args())
	stop()
	if errors.Is(err, kafkabroker.ErrUnavailable) && os.Getenv("CI") != "true" {
		fmt.Println("SKIP ", err)
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, jars, list string, args []string) error {
	want, err := names(list)
	if err != nil {
		return err
	}
	if jars == "" {
		return errors.New("name a folder with -jars")
	}
	if jars, err = kafkabroker.FetchJars(ctx, jars); err != nil {
		return err
	}
	if _, err := exec.LookPath("kcat"); err != nil {
		return fmt.Errorf("%w: kcat, the independent client, is not installed (Debian: kcat)", kafkabroker.ErrUnavailable)
	}
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-json", "-count=1"}, args...)...)
	cmd.Env = append(os.Environ(), kafkabroker.EnvJars+"="+jars)
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	s := scenarios{output: map[string][]string{}, parents: map[string]bool{}}
	for lines := json.NewDecoder(out); ; {
		var e event
		if lines.Decode(&e) != nil {
			break // the end; what it was is told by Wait
		}
		s.take(e)
	}
	err = cmd.Wait()
	fmt.Printf("%d passed, %d failed\n", len(s.passed), s.failed)
	switch {
	case err != nil:
		fmt.Print(strings.Join(s.output[""], ""))
		return fmt.Errorf("scenarios on Apache Kafka: %w", err)
	case len(s.passed) == 0:
		return errors.New("no scenario ran")
	case list != "":
		return compare(want, s.passed)
	}
	return nil
}

func names(file string) ([]string, error) {
	if file == "" {
		return nil, nil
	}
	b, err := os.ReadFile(file)
	return strings.Fields(string(b)), err
}

// compare fails if a scenario is missing, or is not in the list.
func compare(want, passed []string) error {
	var wrong []string
	for _, name := range want {
		if !slices.Contains(passed, name) {
			wrong = append(wrong, name+" did not run")
		}
	}
	for _, name := range passed {
		if !slices.Contains(want, name) {
			wrong = append(wrong, name+" is not in the list")
		}
	}
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "; "))
	}
	return nil
}

// event is a line of go test -json.
type event struct {
	Action, Test, Output string
	Elapsed              float64
}

// scenarios are the tests without subtests, and the subtests of the others.
type scenarios struct {
	output  map[string][]string // of each test; "" is the package's
	parents map[string]bool
	passed  []string
	failed  int
}

func (s *scenarios) take(e event) {
	if parent, _, sub := cutLast(e.Test); sub {
		s.parents[parent] = true
	}
	switch e.Action {
	case "output":
		s.output[e.Test] = append(s.output[e.Test], e.Output)
	case "pass":
		if e.Test != "" && !s.parents[e.Test] {
			name := strings.TrimPrefix(e.Test, "Test")
			s.passed = append(s.passed, name)
			fmt.Printf("PASS  %s (%.1f s)\n", name, e.Elapsed)
			for _, line := range s.output[e.Test] {
				if _, figure, ok := strings.Cut(line, "measured: "); ok {
					fmt.Print("      ", figure)
				}
			}
		}
		delete(s.output, e.Test)
	case "fail":
		if e.Test == "" {
			return
		}
		if !s.parents[e.Test] {
			s.failed++
			fmt.Printf("FAIL  %s (%.1f s)\n", strings.TrimPrefix(e.Test, "Test"), e.Elapsed)
		}
		fmt.Print("      ", strings.Join(s.output[e.Test], "      "))
		delete(s.output, e.Test)
	}
}

func cutLast(name string) (parent, sub string, ok bool) {
	i := strings.LastIndex(name, "/")
	if i < 0 {
		return name, "", false
	}
	return name[:i], name[i+1:], true
}
