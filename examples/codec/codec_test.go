package codec

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/proto"

	"github.com/superservices/voice/voicetask"
)

func key(id string) Key { return Key{ID: id, Secret: bytes.Repeat([]byte(id[:1]), keySize)} }

func codec(t *testing.T, current Key, older ...Key) *Codec {
	t.Helper()
	c, err := New(current, older...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func payload(t *testing.T, v any) *commonpb.Payload {
	t.Helper()
	p, err := converter.GetDefaultDataConverter().ToPayload(v)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func seal(t *testing.T, c *Codec, p *commonpb.Payload) *commonpb.Payload {
	t.Helper()
	sealed, err := c.Encode([]*commonpb.Payload{p})
	if err != nil {
		t.Fatal(err)
	}
	return sealed[0]
}

func TestRoundTrip(t *testing.T) {
	c := codec(t, key("a"))
	plain := []*commonpb.Payload{payload(t, "hello"), payload(t, nil), payload(t, []byte{0, 1}), {}}
	before := proto.CloneOf(plain[0])
	sealed, err := c.Encode(plain)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := c.Decode(sealed)
	if err != nil || len(opened) != len(plain) {
		t.Fatalf("got %d payloads, %v", len(opened), err)
	}
	for i := range plain {
		if !proto.Equal(opened[i], plain[i]) {
			t.Errorf("payload %d: got %v, want %v", i, opened[i], plain[i])
		}
	}
	if !proto.Equal(plain[0], before) {
		t.Error("Encode changed its argument")
	}
	again := seal(t, c, plain[0])
	if bytes.Equal(again.GetData(), sealed[0].GetData()) {
		t.Error("the same payload was encrypted to the same bytes: the nonce must be random")
	}
	if got := string(sealed[0].GetMetadata()[MetadataKeyID]); got != "a" {
		t.Errorf("the key id is %q", got)
	}
}

// A canary: nothing of a task may be read in what goes to the server, as text or in
// base64.
func TestNothingShows(t *testing.T) {
	dc, err := NewDataConverter(key("a").Secret, "a")
	if err != nil {
		t.Fatal(err)
	}
	canaries := []string{"canary-task", "+14155550100", "Ada Canary", "tell her the canary sings"}
	task := voicetask.Task{
		ID: canaries[0], AgentID: "agent-1", Instructions: canaries[3],
		Data: voicetask.Data{ContactNumber: canaries[1], ContactName: canaries[2]},
	}
	sealed, err := dc.ToPayloads(task)
	if err != nil {
		t.Fatal(err)
	}
	wire, err := proto.Marshal(sealed)
	if err != nil {
		t.Fatal(err)
	}
	for _, canary := range append(canaries, "contact_number", "json/plain") {
		for skip := range 3 { // base64 looks different at each of three offsets
			text := base64.RawStdEncoding.EncodeToString([]byte(canary)[skip:])
			if bytes.Contains(wire, []byte(canary)) || bytes.Contains(wire, []byte(text[:len(text)-1])) {
				t.Errorf("%q can be read in the encrypted payload", canary)
			}
		}
	}
	var got voicetask.Task
	if err := dc.FromPayloads(sealed, &got); err != nil || got.Data.ContactName != canaries[2] {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestTampering(t *testing.T) {
	c := codec(t, key("a"), key("b"))
	for name, change := range map[string]func(p *commonpb.Payload){
		"first byte, of the nonce": func(p *commonpb.Payload) { p.Data[0] ^= 1 },
		"a byte in the middle":     func(p *commonpb.Payload) { p.Data[len(p.Data)/2] ^= 1 },
		"last byte, of the tag":    func(p *commonpb.Payload) { p.Data[len(p.Data)-1] ^= 0x80 },
		"cut":                      func(p *commonpb.Payload) { p.Data = p.Data[:len(p.Data)-1] },
		"longer":                   func(p *commonpb.Payload) { p.Data = append(p.Data, 0) },
		"almost nothing left":      func(p *commonpb.Payload) { p.Data = p.Data[:5] },
		"nothing left":             func(p *commonpb.Payload) { p.Data = nil },
		"another key's id":         func(p *commonpb.Payload) { p.Metadata[MetadataKeyID] = []byte("b") },
	} {
		p := seal(t, c, payload(t, "hello"))
		change(p)
		opened, err := c.Decode([]*commonpb.Payload{p})
		if err == nil || !strings.Contains(err.Error(), "does not fit key") {
			t.Errorf("%s: got %v, %v", name, opened, err)
		}
	}
	missing := seal(t, c, payload(t, "hello"))
	delete(missing.Metadata, MetadataKeyID)
	if _, err := c.Decode([]*commonpb.Payload{missing}); err == nil || !strings.Contains(err.Error(), "this process has a, b") {
		t.Errorf("without a key id: got %v", err)
	}
}

func TestChangeOfKeys(t *testing.T) {
	before, between, after := codec(t, key("old")), codec(t, key("old"), key("new")), codec(t, key("new"), key("old"))
	for name, c := range map[string]struct{ by, for_ *Codec }{
		"step 1, new process reads old": {before, between}, "step 1, old process reads new": {between, before},
		"step 2, new process reads old": {between, after}, "step 2, old process reads new": {after, between},
	} {
		if _, err := c.for_.Decode([]*commonpb.Payload{seal(t, c.by, payload(t, "hello"))}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := before.Decode([]*commonpb.Payload{seal(t, after, payload(t, "hello"))})
	if err == nil || !strings.Contains(err.Error(), `the key "new"`) {
		t.Errorf("without the key: got %v", err)
	}
}

func TestPlainPayloadsAreRead(t *testing.T) {
	p := payload(t, "from before the key")
	opened, err := codec(t, key("a")).Decode([]*commonpb.Payload{p})
	if err != nil || opened[0] != p {
		t.Errorf("got %v, %v", opened, err)
	}
}

// Without its key a worker must not fail a workflow, which is for good, but the
// workflow task. Everybody else gets an error.
func TestMissingKeyInWorkflow(t *testing.T) {
	dc, err := NewDataConverter(key("a").Secret, "a")
	if err != nil {
		t.Fatal(err)
	}
	p := seal(t, codec(t, key("b")), payload(t, "hello"))
	var got string
	if err := dc.FromPayload(p, &got); err == nil || !strings.Contains(err.Error(), `the key "b"`) {
		t.Errorf("got %v", err)
	}
	aware, ok := dc.(converter.ContextAware)
	if !ok {
		t.Fatal("the data converter cannot tell workflows from clients")
	}
	if err := aware.WithContext(t.Context()).FromPayload(p, &got); err == nil {
		t.Error("in an activity: no error")
	}
	inWorkflow := aware.WithWorkflowContext(nil)
	if err := inWorkflow.FromPayload(seal(t, codec(t, key("a")), payload(t, "hello")), &got); err != nil || got != "hello" {
		t.Errorf("in a workflow: got %q, %v", got, err)
	}
	defer func() {
		if recover() == nil {
			t.Error("in a workflow: no panic")
		}
	}()
	_ = inWorkflow.FromPayload(p, &got)
}

func TestNewRefuses(t *testing.T) {
	for name, keys := range map[string][]Key{
		"no id":     {{Secret: key("a").Secret}},
		"short key": {{ID: "a", Secret: []byte("too short")}},
		"twice":     {key("a"), key("a")},
		"older":     {key("a"), {ID: "b"}},
	} {
		if _, err := New(keys[0], keys[1:]...); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestConfigure(t *testing.T) {
	text := func(k Key) string { return base64.StdEncoding.EncodeToString(k.Secret) }
	configure := func(value string) (client.Options, error) {
		var o client.Options
		err := Configure(&o, func(name string) string {
			if name != EnvKeys {
				t.Errorf("the variable %s was read", name)
			}
			return value
		})
		return o, err
	}
	if o, err := configure(" "); err != nil || o.DataConverter != nil || o.FailureConverter != nil {
		t.Errorf("unset: got %+v, %v", o, err)
	}
	for _, wrong := range []string{"secret", text(key("a")) + ",", text(Key{Secret: []byte("short secret")}), text(key("a")) + "," + text(key("a"))} {
		_, err := configure(wrong)
		if err == nil || !strings.Contains(err.Error(), EnvKeys) || slices.ContainsFunc(strings.Split(wrong, ","), func(s string) bool {
			return s != "" && strings.Contains(err.Error(), s)
		}) {
			t.Errorf("%q: got %v", wrong, err)
		}
	}
	older, err := configure(text(key("a")))
	if err != nil {
		t.Fatal(err)
	}
	newer, err := configure(text(key("b")) + ", " + text(key("a")))
	if err != nil {
		t.Fatal(err)
	}
	p, err := older.DataConverter.ToPayload("hello")
	if err != nil {
		t.Fatal(err)
	}
	var got string
	if err := newer.DataConverter.FromPayload(p, &got); err != nil || got != "hello" {
		t.Errorf("got %q, %v", got, err)
	}
	failure := newer.FailureConverter.ErrorToFailure(temporal.NewApplicationError("the canary died", "canary"))
	if strings.Contains(failure.String(), "canary died") {
		t.Errorf("the text of an error can be read: %v", failure)
	}
}
