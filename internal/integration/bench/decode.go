package main

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/superservices/voice/voicetask"
)

// mirror is the contract as encoding/json would decode it into a plain struct.
type mirror struct {
	ID           string                     `json:"task_id"`
	AgentID      string                     `json:"agent_id"`
	Data         map[string]json.RawMessage `json:"data"`
	Instructions string                     `json:"instructions"`
	ModelConfig  map[string]json.RawMessage `json:"model_config"`
	Callback     string                     `json:"callback"`
	RetryAttempt int                        `json:"retry_attempt"`
	MessageType  string                     `json:"message_type"`
	RunID        string                     `json:"run_id"`
	TenantID     string                     `json:"tenant_id"`
}

// decodeRatio compares ParseTask, which also validates, with json.Unmarshal.
func decodeRatio(pairs int) (r ratios, oursNs, mirrorNs float64, err error) {
	raw := fmt.Appendf(nil, message, "task-000001")
	if _, err := voicetask.ParseTask(raw); err != nil {
		return nil, 0, 0, err
	}
	ours := func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			if _, err := voicetask.ParseTask(raw); err != nil {
				b.Fatal(err)
			}
		}
	}
	plain := func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			var m mirror
			if err := json.Unmarshal(raw, &m); err != nil {
				b.Fatal(err)
			}
		}
	}
	for i := range pairs {
		var a, b testing.BenchmarkResult
		if i%2 == 0 {
			a, b = testing.Benchmark(ours), testing.Benchmark(plain)
		} else {
			b, a = testing.Benchmark(plain), testing.Benchmark(ours)
		}
		oursNs, mirrorNs = float64(a.NsPerOp()), float64(b.NsPerOp())
		r = append(r, oursNs/mirrorNs)
		if i == 0 {
			fmt.Printf("decode: ours %d allocations, %d B; mirror %d allocations, %d B\n", a.AllocsPerOp(), a.AllocedBytesPerOp(), b.AllocsPerOp(), b.AllocedBytesPerOp())
		}
	}
	return r, oursNs, mirrorNs, nil
}

// testingInit registers the flags that testing.Benchmark reads.
func testingInit() { testing.Init() }
