package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/superservices/voice/internal/carrier"
	"github.com/superservices/voice/internal/carrier/fakelivekit"
	"github.com/superservices/voice/internal/carrier/fakevapi"
)

// stopTime bounds how long requests in progress hold up the end.
const stopTime = 3 * time.Second

// addresses is the line that run prints once it serves.
type addresses struct {
	Vapi    string `json:"vapi"`
	LiveKit string `json:"livekit"`
	Ledger  string `json:"ledger"`
}

// run serves until ctx ends, or until the ledger cannot be written: a witness that
// cannot write must not go on.
func run(ctx context.Context, o options, stdout io.Writer) error {
	file, err := os.OpenFile(o.ledger, os.O_CREATE|os.O_WRONLY|os.O_APPEND|os.O_SYNC, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	network := carrier.New(ledger{file, fail}, o.pace)

	vapi, err := fakevapi.New(fakevapi.Config{Network: network, Token: o.vapiToken, AnalysisLag: o.analysisLag})
	if err != nil {
		return err
	}
	defer vapi.Close()
	livekit := fakelivekit.New(fakelivekit.Config{
		Network: network, APIKey: o.livekitKey, APISecret: o.livekitSecret,
		Trunks: o.livekitTrunks, Agents: o.livekitAgents, WebhookURL: o.livekitWebhook,
	})
	defer livekit.Close()

	vapiAt, err := listen(o.vapiPort)
	if err != nil {
		return fmt.Errorf("-vapi-port: %w", err)
	}
	livekitAt, err := listen(o.livekitPort)
	if err != nil {
		_ = vapiAt.Close()
		return fmt.Errorf("-livekit-port: %w", err)
	}
	servers := []*http.Server{serve(vapiAt, vapi, fail), serve(livekitAt, livekit, fail)}
	if o.controlPort != 0 {
		at, err := listen(o.controlPort)
		if err != nil {
			shut(servers)
			return fmt.Errorf("-control-port: %w", err)
		}
		servers = append(servers, serve(at, control(vapi), fail))
	}
	line, err := json.Marshal(addresses{Vapi: vapiAt.Addr().String(), LiveKit: livekitAt.Addr().String(), Ledger: o.ledger})
	if err == nil {
		_, err = fmt.Fprintf(stdout, "%s\n", line)
	}
	if err != nil {
		fail(err)
	}
	<-ctx.Done()
	livekit.Close() // hangs up, so that requests which wait for an answer get theirs
	shut(servers)
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

func listen(port int) (net.Listener, error) {
	return net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
}

func serve(at net.Listener, h http.Handler, fail func(error)) *http.Server {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := s.Serve(at); !errors.Is(err, http.ErrServerClosed) {
			fail(err)
		}
	}()
	return s
}

func shut(servers []*http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	for _, s := range servers {
		if s.Shutdown(ctx) != nil {
			_ = s.Close()
		}
	}
}

// ledger is the file, and ends the process when a ring cannot be written down.
type ledger struct {
	file *os.File
	fail func(error)
}

func (l ledger) Write(line []byte) (int, error) {
	n, err := l.file.Write(line)
	if err != nil {
		l.fail(fmt.Errorf("the ledger cannot be written: %w", err))
	}
	return n, err
}
