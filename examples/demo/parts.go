package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// The programs in the directory of -bin.
const (
	binTemporal = "temporal"
	binCarrier  = "carrier"
	binWorker   = "worker"
	binConsumer = "consumer"
)

// Credentials of the fakes; the carrier checks them as the platforms do.
const (
	vapiToken     = "demo-token"
	vapiNumber    = "demo-number"
	webhookSecret = "demo-webhook-secret"
	livekitKey    = "demo-key"
	livekitSecret = "demo-secret-of-at-least-32-characters"
	livekitTrunk  = "ST_demo"
	agentName     = "demo-agent"
)

// webhookPath is where the worker takes LiveKit's webhooks. Vapi's calls carry their
// own address.
const webhookPath = "/webhooks/livekit"

// readyTime is long: a busy machine is no failure, and a child that died is told of at once.
const readyTime = 2 * time.Minute

// baseEnv is what every child gets. Nothing of the user's own configuration of
// Temporal, Kafka or the platforms may reach it, nor a proxy.
func (d *demo) baseEnv() []string {
	env := []string{"HOME=" + d.file(dirHome), "XDG_CONFIG_HOME=" + d.file(dirHome)}
	for _, name := range []string{"PATH", "TMPDIR", "LANG"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// startTemporal starts the dev server. The dynamic settings take away its two
// brakes, which are meant for clusters: 20 task transfers a second, and four
// partitions of each task queue. Its file need not outlive a power cut.
func (d *demo) startTemporal() error {
	_, err := d.family.start(filepath.Join(d.bin, binTemporal), d.baseEnv(),
		"server", "start-dev", "--ip", "127.0.0.1",
		"--port", fmt.Sprint(d.ports.temporal), "--ui-port", fmt.Sprint(d.ports.webUI),
		"--db-filename", d.file(fileTemporal), "--log-level", "error",
		"--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=off",
		"--dynamic-config-value", "frontend.enableServerVersionCheck=false", // it would call home
		"--dynamic-config-value", "history.transferProcessorMaxPollRPS=10000",
		"--dynamic-config-value", "matching.numTaskqueueReadPartitions=1",
		"--dynamic-config-value", "matching.numTaskqueueWritePartitions=1",
	)
	return err
}

// awaitTemporal asks through the Web UI, which asks the server: then both are up.
func (d *demo) awaitTemporal(ctx context.Context) error {
	return d.awaitOK(ctx, "Temporal", fmt.Sprintf("http://127.0.0.1:%d/api/v1/namespaces/default", d.ports.webUI))
}

// awaitOK waits until a GET is answered with 200.
func (d *demo) awaitOK(ctx context.Context, what, url string) error {
	client := &http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	return d.family.await(ctx, what, readyTime, func(ctx context.Context) bool {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return false
		}
		resp, err := client.Do(req)
		if err != nil {
			return false
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// carrierAddresses is the line that the carrier prints.
type carrierAddresses struct {
	Vapi    string `json:"vapi"`
	LiveKit string `json:"livekit"`
}

func (d *demo) startCarrier() error {
	_, err := d.family.start(filepath.Join(d.bin, binCarrier), d.baseEnv(),
		"-ledger", d.file(fileLedger), "-ring", ringing.String(), "-talk", conversation.String(), "-machine", greeting.String(),
		"-vapi-token", vapiToken, "-analysis-lag", analysisLag.String(),
		"-livekit-key", livekitKey, "-livekit-secret", livekitSecret,
		"-livekit-trunks", livekitTrunk, "-livekit-agents", agentName,
		"-livekit-webhook", "http://"+loopback(d.ports.webhooks)+webhookPath,
	)
	return err
}

func (d *demo) awaitCarrier(ctx context.Context) error {
	return d.family.await(ctx, "the carrier", readyTime, func(context.Context) bool {
		text, err := os.ReadFile(d.file(binCarrier + ".log"))
		line, _, whole := bytes.Cut(text, []byte("\n"))
		return err == nil && whole && json.Unmarshal(line, &d.carrierAt) == nil
	})
}

// commonEnv is what worker and consumer share: where Temporal and the store are.
func (d *demo) commonEnv(more ...string) []string {
	return append(append(d.baseEnv(),
		"TEMPORAL_ADDRESS="+loopback(d.ports.temporal),
		"TEMPORAL_NAMESPACE=default",
		"VOICE_DATABASE="+d.file(fileStore),
	), more...)
}

func (d *demo) startWorker() error {
	_, err := d.family.start(filepath.Join(d.bin, binWorker), d.commonEnv(
		"VAPI_AUTH_TOKEN="+vapiToken,
		"VAPI_PHONE_NUMBER_ID="+vapiNumber,
		"VAPI_BASE_URL=http://"+d.carrierAt.Vapi,
		"VAPI_WEBHOOK_SECRET="+webhookSecret,
		"LIVEKIT_URL=ws://"+d.carrierAt.LiveKit,
		"LIVEKIT_API_KEY="+livekitKey,
		"LIVEKIT_API_SECRET="+livekitSecret,
		"LIVEKIT_SIP_TRUNK_ID="+livekitTrunk,
		"AGENT_NAME="+agentName,
		"CALL_STATUS_POLL_INTERVAL="+pollInterval.String(),
		"ENABLE_BUSINESS_HOURS_CHECK=true",
		fmt.Sprintf("BUSINESS_HOURS_START=%d", hoursStart),
		fmt.Sprintf("BUSINESS_HOURS_END=%d", hoursEnd),
		"ZONEINFO="+d.file(dirZones),
		"VOICE_WEBHOOK_ADDR="+loopback(d.ports.webhooks),
		"VOICE_WEBHOOK_URL=http://"+loopback(d.ports.webhooks),
		"VOICE_RING_TIMEOUT="+ringTimeout.String(),
		"VOICE_MAX_CALL_DURATION="+longestCall.String(),
		"VOICE_EVENT_GRACE="+eventGrace.String(),
		"VOICE_REDIAL_AFTER="+redialAfter.String(),
	))
	return err
}

// awaitWorker waits until the worker says that it has started.
func (d *demo) awaitWorker(ctx context.Context) error {
	return d.family.await(ctx, "the worker", readyTime, func(context.Context) bool {
		text, err := os.ReadFile(d.file(binWorker + ".log"))
		return err == nil && bytes.Contains(text, []byte("Started Worker"))
	})
}

// awaitConsumer waits until the consumer is in its group.
func (d *demo) awaitConsumer(ctx context.Context) error {
	return d.awaitOK(ctx, "the consumer", fmt.Sprintf("http://127.0.0.1:%d/healthz", d.ports.health))
}

func (d *demo) startConsumer() error {
	_, err := d.family.start(filepath.Join(d.bin, binConsumer), d.commonEnv(
		"KAFKA_BOOTSTRAP_SERVERS="+d.broker.addr,
		"AGENT_OUTBOUND_REQUEST_TOPIC="+topicNormal,
		"AGENT_OUTBOUND_REQUEST_GROUP="+group,
		"VOICE_HEALTH_ADDR="+loopback(d.ports.health),
	))
	return err
}
