package vapi_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/vapi"
)

// paths lists the properties that package vapi itself can send, one a line; a test there
// holds the list against its types.
const paths = "../../../provider/vapi/testdata/request-properties.txt"

// free are properties whose content is the task's or the host's to name, and those of the
// host's assistant and overrides.
var free = []string{
	"assistant", "assistantOverrides.variableValues", "assistantOverrides.metadata", "assistantOverrides.server.headers",
}

// walk calls f for each property of the object that the contract names, with the object
// that holds it.
func walk(prefix string, o map[string]any, f func(path string, holder map[string]any, name string)) {
	for _, name := range slices.Sorted(maps.Keys(o)) {
		path := prefix + name
		f(path, o, name)
		if slices.Contains(free, path) {
			continue
		}
		switch v := o[name].(type) {
		case map[string]any:
			walk(path+".", v, f)
		case []any:
			for _, item := range v {
				if m, ok := item.(map[string]any); ok {
					walk(path+".", m, f)
				}
			}
		}
	}
}

func decoded(t *testing.T, body []byte) map[string]any {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal(body, &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// placed are the bodies that Place really sends, each once.
func placed(t *testing.T) (f *platform, bodies [][]byte) {
	t.Helper()
	f = newPlatform(t)
	n := placeAll(t, f, func(*vapi.Provider, provider.Call, string) {})
	if breaches, _ := f.Violations(); len(breaches) != 0 || len(f.bodies) != n {
		t.Fatalf("%d bodies of %d calls, %v", len(f.bodies), n, breaches)
	}
	return f, f.bodies
}

// What is checked is everything that can be sent: a property that no request here shows,
// or that is not on the list, has not been held against the contract.
func TestEveryPropertyIsSent(t *testing.T) {
	raw, err := os.ReadFile(paths)
	if err != nil {
		t.Fatal(err)
	}
	missing := map[string]bool{}
	for path := range strings.FieldsSeq(string(raw)) {
		missing[path] = true
	}
	listed := maps.Clone(missing)
	hosts := []string{"assistantOverrides.firstMessage", "assistantOverrides.endCallPhrases", "assistantOverrides.transportConfigurations.record"}
	_, bodies := placed(t)
	for _, body := range bodies {
		walk("", decoded(t, body), func(path string, _ map[string]any, _ string) {
			delete(missing, path)
			if !listed[path] && !slices.Contains(hosts, path) {
				t.Errorf("%s is sent and not on the list", path)
			}
		})
	}
	for path := range missing {
		t.Errorf("%s is in no request", path)
	}
}

// The check can fail, for every property of every request: spelt wrong, or with a value
// of another type, it is refused.
func TestAMisspeltFieldBreaksTheContract(t *testing.T) {
	f, bodies := placed(t)
	post := func(body []byte) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.url+"/call", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer token")
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	mutants := 0
	refused := func(body []byte, what, path string) {
		mutants++
		if status := post(body); status != http.StatusBadRequest {
			t.Errorf("%s %s: %d\n%s", path, what, status, body)
		}
	}
	for _, body := range bodies {
		if status := post(body); status != http.StatusCreated {
			t.Fatalf("as it was sent: %d\n%s", status, body)
		}
		var all []string
		walk("", decoded(t, body), func(path string, _ map[string]any, _ string) {
			if !slices.Contains(all, path) {
				all = append(all, path)
			}
		})
		for _, path := range all {
			for what, change := range map[string]func(holder map[string]any, name string){
				"misspelt":        func(o map[string]any, name string) { o[name+"s"] = o[name]; delete(o, name) },
				"in another case": func(o map[string]any, name string) { o[strings.ToUpper(name)] = o[name]; delete(o, name) },
				"besides":         func(o map[string]any, name string) { o[name+"_"] = o[name] },
				"of another type": func(o map[string]any, name string) { o[name] = []any{map[string]any{"x": 1}} },
			} {
				mutant := decoded(t, body)
				walk("", mutant, func(p string, holder map[string]any, name string) {
					if p == path {
						change(holder, name)
					}
				})
				raw, err := json.Marshal(mutant)
				if err != nil {
					t.Fatal(err)
				}
				refused(raw, what, path)
			}
		}
	}
	// What the document says of values, on one of the bodies.
	for what, change := range map[string]func(body, customer, overrides map[string]any){
		"no assistant":     func(b, _, _ map[string]any) { delete(b, "assistantId") },
		"two assistants":   func(b, _, _ map[string]any) { b["assistant"] = map[string]any{} },
		"no caller":        func(b, _, _ map[string]any) { delete(b, "phoneNumberId") },
		"no callee":        func(b, _, _ map[string]any) { b["customer"] = map[string]any{} },
		"name of 41":       func(_, c, _ map[string]any) { c["name"] = strings.Repeat("x", 41) },
		"number of 2":      func(_, c, _ map[string]any) { c["number"] = "+1" },
		"nine seconds":     func(_, _, o map[string]any) { o["maxDurationSeconds"] = 9 },
		"half a day more":  func(_, _, o map[string]any) { o["maxDurationSeconds"] = 43201 },
		"an unknown event": func(_, _, o map[string]any) { o["serverMessages"] = []any{"status-updates"} },
	} {
		i := slices.IndexFunc(bodies, func(b []byte) bool {
			return bytes.Contains(b, []byte(`"assistantId"`)) && bytes.Contains(b, []byte(`"number"`)) && bytes.Contains(b, []byte(`"name"`))
		})
		mutant := decoded(t, bodies[i])
		change(mutant, mutant["customer"].(map[string]any), mutant["assistantOverrides"].(map[string]any))
		raw, err := json.Marshal(mutant)
		if err != nil {
			t.Fatal(err)
		}
		refused(raw, what, "the body")
	}
	if mutants < 1000 {
		t.Errorf("only %d mutants of %d bodies", mutants, len(bodies))
	}
	t.Logf("%d mutants of %d bodies refused", mutants, len(bodies))
}
