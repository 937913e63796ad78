package kafkabroker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// A node is one broker, a Java process that may come and go.
type node struct {
	of        *Apache
	id        int
	dir       string
	addrs     map[string]string // by listener
	flakyAddr string
	proxy     *proxy

	cmd  *exec.Cmd
	gone chan struct{} // closed when cmd has ended
}

// java runs a class of the broker's jars.
func (n *node) java(ctx context.Context, heap, class string, args ...string) *exec.Cmd {
	all := append([]string{
		"-Xmx" + heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dvoice.log=" + filepath.Join(n.dir, "kafka.log"),
		"-Dlog4j2.configurationFile=" + filepath.Join(n.of.dir, "log4j2.properties"), "-cp", n.of.jars + "/*", class,
	}, args...)
	cmd := exec.CommandContext(ctx, "java", all...)
	cmd.SysProcAttr = childOfTest()
	return cmd
}

// format makes the empty log directory, with the user that SCRAM knows.
func (n *node) format(ctx context.Context, cluster string) error {
	if err := os.MkdirAll(n.dir, 0o700); err != nil {
		return err
	}
	conf := filepath.Join(n.dir, "server.properties")
	if err := os.WriteFile(conf, n.properties(), 0o600); err != nil {
		return err
	}
	out, err := n.java(ctx, "128m", "kafka.tools.StorageTool", "format", "-t", cluster, "-c", conf,
		"--add-scram", fmt.Sprintf("SCRAM-SHA-256=[name=%s,password=%s]", User, Password)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("kafkabroker: formatting broker %d: %w: %s", n.id, err, tail(out, 1000))
	}
	return nil
}

// start starts the process; it takes some seconds until it serves.
func (n *node) start() error {
	out, err := os.OpenFile(filepath.Join(n.dir, "out.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	n.cmd = n.java(context.Background(), "256m", "kafka.Kafka", filepath.Join(n.dir, "server.properties"))
	n.cmd.Stdout, n.cmd.Stderr = out, out
	if err := n.cmd.Start(); err != nil {
		return fmt.Errorf("kafkabroker: starting broker %d: %w", n.id, err)
	}
	cmd, gone := n.cmd, make(chan struct{})
	n.gone = gone
	go func() {
		_ = cmd.Wait() // that it ended is all there is to know
		close(gone)
	}()
	return nil
}

// stop ends the process, hard by SIGKILL, else by SIGTERM, which hands leadership over.
func (n *node) stop(hard bool) error {
	if n.cmd == nil {
		return nil
	}
	sig := syscall.SIGTERM
	if hard {
		sig = syscall.SIGKILL
	}
	if err := n.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-n.gone:
	case <-time.After(30 * time.Second): // a broker that has lost the others waits for them
		_ = n.cmd.Process.Kill()
		<-n.gone
	}
	n.cmd = nil
	return nil
}

// logs is the end of what the broker said.
func (n *node) logs() string {
	var text []byte
	for _, name := range []string{"out.log", "kafka.log"} {
		b, _ := os.ReadFile(filepath.Join(n.dir, name)) // missing: it said nothing
		text = append(text, tail(b, 2000)...)
	}
	return string(text)
}
