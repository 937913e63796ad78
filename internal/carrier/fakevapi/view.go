package fakevapi

import (
	"math"
	"time"
)

// CallerNumber is the number that calls are made from.
const CallerNumber = "+14155550199"

// Secrets that the API was seen to put into its objects. No client may keep them.
const (
	SecretAuthToken = "canary-twilio-auth-token"
	SecretAPISecret = "canary-twilio-api-secret"
)

// view is the API's Call object. creating adds what only POST answers with.
func (c *call) view(creating bool) map[string]any { // Server.mu is held
	v := map[string]any{
		"id": c.id, "orgId": "be2fa99a-0000-4000-8000-000000000001", "type": "outboundPhoneCall", "status": c.status,
		"createdAt": stamp(c.createdAt), "updatedAt": stamp(c.updatedAt),
		"assistantId": c.body.AssistantID, "phoneNumberId": c.body.PhoneNumberID, "customer": c.customer(),
		"cost": 0, "phoneCallProvider": "twilio",
		"transport": map[string]any{"conversationType": "voice", "provider": "twilio", "accountSid": "AC00000000000000000000000000000000"},
		"monitor": map[string]any{
			"listenUrl":  "wss://phone-call-websocket.example/" + c.id + "/listen-" + c.secret,
			"controlUrl": c.base + "/control/" + c.id + "/" + c.secret,
		},
	}
	if len(c.overrides) > 0 {
		v["assistantOverrides"] = c.overrides
	}
	if creating {
		v["subscriptionLimits"] = map[string]any{
			"concurrencyBlocked": c.status == statusScheduled, "concurrencyLimit": 10, "remainingConcurrentCalls": 8,
		}
	}
	if !c.startedAt.IsZero() {
		v["startedAt"] = stamp(c.startedAt)
	}
	if c.status == statusEnded {
		v["endedReason"], v["endedAt"] = c.endedReason, stamp(c.endedAt)
	}
	if c.analysed {
		v["artifact"], v["analysis"], v["cost"] = c.artifact(), c.analysis(), c.cost()
	}
	return v
}

func (c *call) customer() map[string]any {
	v := map[string]any{}
	for name, value := range map[string]string{
		"number": c.body.Customer.Number, "sipUri": c.body.Customer.SIPURI, "name": c.body.Customer.Name, "externalId": c.body.Customer.ExternalID,
	} {
		if value != "" {
			v[name] = value
		}
	}
	return v
}

// talked reports whether there was a conversation.
func (c *call) talked() bool { return !c.startedAt.IsZero() }

func (c *call) artifact() map[string]any {
	v := map[string]any{"messages": []any{}}
	if !c.talked() {
		return v
	}
	v["transcript"] = "AI: Hello\nUser: Hello\n"
	v["messages"] = []any{
		map[string]any{"role": "system", "message": "You are a caller."},
		map[string]any{"role": "bot", "message": "Hello", "secondsFromStart": 0},
		map[string]any{"role": "user", "message": "Hello", "secondsFromStart": 1},
	}
	v["recordingUrl"] = "https://storage.example/" + c.id + ".wav"
	v["presignedMonoUrl"] = "https://storage.example/" + c.id + ".wav?signature=canary-presigned"
	return v
}

func (c *call) analysis() map[string]any {
	if !c.talked() {
		return map[string]any{}
	}
	return map[string]any{"summary": "They said hello.", "structuredData": map[string]any{"agreed": true}, "successEvaluation": "true"}
}

// cost is 10 cents a minute begun.
func (c *call) cost() float64 {
	if !c.talked() {
		return 0
	}
	return math.Ceil(c.endedAt.Sub(c.startedAt).Minutes()) / 10
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
