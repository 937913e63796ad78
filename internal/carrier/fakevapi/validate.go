package fakevapi

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"
)

// Properties that the API knows; it refuses any other.
var (
	knownTop = []string{
		"assistantVersion", "transport", "customers", "name", "schedulePlan", "assistantId", "assistant", "assistantOverrides",
		"squadId", "squad", "squadOverrides", "workflowId", "workflow", "workflowOverrides", "phoneNumberId", "phoneNumber",
		"customerId", "customer", "type",
	}
	knownCustomer = []string{
		"numberE164CheckEnabled", "extension", "assistantOverrides", "squadOverrides", "number", "sipUri", "name", "email", "externalId",
	}
	knownOverrides = []string{
		"firstMessage", "firstMessageMode", "serverMessages", "clientMessages", "maxDurationSeconds", "variableValues", "name",
		"voicemailMessage", "endCallMessage", "endCallPhrases", "metadata", "server", "credentialIds", "voicemailDetection",
		"analysisPlan", "artifactPlan", "monitorPlan", "transcriber", "model", "voice", "hooks", "tools:append", "compliancePlan",
		"startSpeakingPlan", "stopSpeakingPlan", "firstMessageInterruptionsEnabled", "backgroundSound", "modelOutputInMessagesEnabled",
		"transportConfigurations", "observabilityPlan", "credentials", "backgroundSpeechDenoisingPlan", "keypadInputPlan",
	}
	// secret left the document in 2025, and the API was seen to take it since.
	knownServer  = []string{"timeoutSeconds", "credentialId", "staticIpAddressesEnabled", "encryptedPaths", "url", "headers", "backoffPlan", "secret"}
	knownBackoff = []string{"type", "maxRetries", "baseDelaySeconds", "excludedStatusCodes"}

	// of transportConfigurations, which the document gives no type in this place
	knownCarrier = []string{"provider", "timeout", "record", "recordingChannels"}

	serverMessages = []string{"status-update", "end-of-call-report", // those sent here
		"tool-calls", "transcript", "hang", "conversation-update", "speech-update", "transfer-destination-request"}
)

type createBody struct {
	AssistantID   string         `json:"assistantId"`
	Assistant     map[string]any `json:"assistant"`
	PhoneNumberID string         `json:"phoneNumberId"`
	Customer      struct {
		Number     string `json:"number"`
		SIPURI     string `json:"sipUri"`
		Name       string `json:"name"`
		ExternalID string `json:"externalId"`
	} `json:"customer"`
	Overrides struct {
		Metadata           map[string]any  `json:"metadata"`
		VariableValues     json.RawMessage `json:"variableValues"`
		MaxDurationSeconds *float64        `json:"maxDurationSeconds"`
		ServerMessages     []string        `json:"serverMessages"`
		Server             *server         `json:"server"`
		Transports         []struct {
			Provider string   `json:"provider"`
			Timeout  *float64 `json:"timeout"`
			Record   *bool    `json:"record"`
		} `json:"transportConfigurations"`
	} `json:"assistantOverrides"`
}

type server struct {
	URL     string            `json:"url"`
	Secret  string            `json:"secret,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	Backoff *struct {
		Type       string  `json:"type"`
		MaxRetries int     `json:"maxRetries"`
		BaseDelay  float64 `json:"baseDelaySeconds"`
		Excluded   []int   `json:"excludedStatusCodes"`
	} `json:"backoffPlan,omitempty"`
}

var (
	e164   = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
	sipURI = regexp.MustCompile(`^sips?:[^\s@]+@[^\s@]+$`)
)

const notE164 = "customer.number must be a valid phone number in the E.164 format. Hot tip, you may be missing the country code (Eg. US: +1)."

// parse reads the body of POST /call and lists what the API would complain of.
func parse(raw []byte) (b createBody, complaints []string) {
	var top map[string]json.RawMessage
	if err := json.Unmarshal(raw, &top); err != nil {
		return b, []string{"Unexpected token in JSON"}
	}
	complaints = unknown("", top, knownTop)
	customer := object(top["customer"])
	complaints = append(complaints, unknown("customer.", customer, knownCustomer)...)
	overrides := object(top["assistantOverrides"])
	complaints = append(complaints, unknown("assistantOverrides.", overrides, knownOverrides)...)
	srv := object(overrides["server"])
	complaints = append(complaints, unknown("assistantOverrides.server.", srv, knownServer)...)
	complaints = append(complaints, unknown("assistantOverrides.server.backoffPlan.", object(srv["backoffPlan"]), knownBackoff)...)
	var carriers []map[string]json.RawMessage
	_ = json.Unmarshal(overrides["transportConfigurations"], &carriers) // another type is complained of below
	for _, c := range carriers {
		complaints = append(complaints, unknown("assistantOverrides.transportConfigurations.", c, knownCarrier)...)
	}
	if err := json.Unmarshal(raw, &b); err != nil {
		return b, append(complaints, "a property must be of another type")
	}
	return b, append(complaints, b.complaints()...)
}

func (b *createBody) complaints() (all []string) {
	complain := func(bad bool, format string, args ...any) {
		if bad {
			all = append(all, fmt.Sprintf(format, args...))
		}
	}
	c := &b.Customer
	complain(c.SIPURI == "" && !e164.MatchString(c.Number), notE164)
	complain(c.SIPURI != "" && !sipURI.MatchString(c.SIPURI), "customer.sipUri must be a valid SIP URI")
	complain(utf8.RuneCountInString(c.Name) > 40, "customer.name must be shorter than or equal to 40 characters")
	complain(b.AssistantID == "" && b.Assistant == nil, "Need Either `assistantId`, `assistant`, `squadId` Or `squad`.")
	complain(b.PhoneNumberID == "", "Need Either `phoneNumberId` Or `phoneNumber`.")
	if d := b.Overrides.MaxDurationSeconds; d != nil {
		complain(*d < 10, "assistantOverrides.maxDurationSeconds must not be less than 10")
		complain(*d > 43200, "assistantOverrides.maxDurationSeconds must not be greater than 43200")
	}
	for _, c := range b.Overrides.Transports {
		complain(c.Provider != "twilio", "assistantOverrides.transportConfigurations.provider must be one of the following values: twilio")
		complain(c.Timeout != nil && (*c.Timeout < 1 || *c.Timeout > 600), "assistantOverrides.transportConfigurations.timeout must be between 1 and 600")
	}
	for _, m := range b.Overrides.ServerMessages {
		complain(!slices.Contains(serverMessages, m), "each value in assistantOverrides.serverMessages must be one of the known values")
	}
	if srv := b.Overrides.Server; srv != nil {
		complain(!strings.HasPrefix(srv.URL, "http"), "assistantOverrides.server.url must be a URL address")
		if plan := srv.Backoff; plan != nil {
			complain(plan.Type != "fixed" && plan.Type != "exponential", "assistantOverrides.server.backoffPlan.type must be one of the following values: fixed, exponential")
			complain(plan.MaxRetries < 0 || plan.MaxRetries > 10, "assistantOverrides.server.backoffPlan.maxRetries must not be greater than 10")
			complain(plan.BaseDelay < 0 || plan.BaseDelay > 10, "assistantOverrides.server.backoffPlan.baseDelaySeconds must not be greater than 10")
		}
	}
	return all
}

func object(raw json.RawMessage) (o map[string]json.RawMessage) {
	_ = json.Unmarshal(raw, &o) // another type is complained of elsewhere
	return o
}

func unknown(prefix string, o map[string]json.RawMessage, known []string) (all []string) {
	for name := range o {
		if !slices.Contains(known, name) {
			if prefix == "" {
				all = append(all, "property "+name+" should not exist")
			} else {
				all = append(all, prefix+"property "+name+" should not exist")
			}
		}
	}
	sort.Strings(all)
	return all
}
