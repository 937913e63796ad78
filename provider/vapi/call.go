package vapi

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/superservices/voice/internal/vendorhttp"
	"github.com/superservices/voice/provider"
)

// wireCall is what we take of Vapi's Call object, and all that leaves this
// package as Call.Raw: an allow-list. Left out on purpose are monitor (its URLs are
// bearer secrets), phoneNumber beyond its number (carrier credentials were seen
// there), presigned URLs, server with its headers, assistant and credentials.
type wireCall struct {
	ID            string          `json:"id"`
	Type          string          `json:"type,omitempty"`
	Status        string          `json:"status,omitempty"`
	EndedReason   string          `json:"endedReason,omitempty"`
	EndedMessage  string          `json:"endedMessage,omitempty"`
	CreatedAt     wireTime        `json:"createdAt,omitzero"`
	UpdatedAt     wireTime        `json:"updatedAt,omitzero"`
	StartedAt     wireTime        `json:"startedAt,omitzero"`
	EndedAt       wireTime        `json:"endedAt,omitzero"`
	AssistantID   string          `json:"assistantId,omitempty"`
	PhoneNumberID string          `json:"phoneNumberId,omitempty"`
	CampaignID    string          `json:"campaignId,omitempty"`
	Cost          float64         `json:"cost,omitempty"`
	CostBreakdown json.RawMessage `json:"costBreakdown,omitempty"`
	Costs         json.RawMessage `json:"costs,omitempty"`
	Analysis      wireAnalysis    `json:"analysis,omitzero"`
	Artifact      wireArtifact    `json:"artifact,omitzero"`
	Customer      struct {
		Number     string `json:"number,omitempty"`
		SIPURI     string `json:"sipUri,omitempty"`
		Name       string `json:"name,omitempty"`
		ExternalID string `json:"externalId,omitempty"`
	} `json:"customer,omitzero"`
	PhoneNumber struct {
		Number string `json:"number,omitempty"`
	} `json:"phoneNumber,omitzero"`
	AssistantOverrides struct {
		Metadata       map[string]json.RawMessage `json:"metadata,omitempty"`
		VariableValues json.RawMessage            `json:"variableValues,omitempty"`
	} `json:"assistantOverrides,omitzero"`
	Transport struct {
		Provider string `json:"provider,omitempty"`
		CallSID  string `json:"callSid,omitempty"`
	} `json:"transport,omitzero"`

	Monitor wireMonitor `json:"monitor,omitzero"` // for End only; never written

	Limits struct {
		Blocked bool `json:"concurrencyBlocked,omitempty"`
	} `json:"subscriptionLimits,omitzero"` // in the answer to POST only

	partial bool      // from a status update: what is missing may be there
	toldAt  time.Time // when a message told of it
}

// wireMonitor holds the control URL, a bearer secret. It is zero to omitzero
// whatever it holds, and so it is read but never written.
type wireMonitor struct {
	ControlURL string `json:"controlUrl"`
}

func (wireMonitor) IsZero() bool { return true }

type wireAnalysis struct {
	Summary             string          `json:"summary,omitempty"`
	StructuredData      json.RawMessage `json:"structuredData,omitempty"`
	StructuredDataMulti json.RawMessage `json:"structuredDataMulti,omitempty"`
	SuccessEvaluation   any             `json:"successEvaluation,omitempty"`
}

type wireArtifact struct {
	Transcript         string          `json:"transcript,omitempty"`
	RecordingURL       string          `json:"recordingUrl,omitempty"`
	StereoRecordingURL string          `json:"stereoRecordingUrl,omitempty"`
	Messages           json.RawMessage `json:"messages,omitempty"`
	StructuredOutputs  json.RawMessage `json:"structuredOutputs,omitempty"`
	Recording          struct {
		StereoURL string `json:"stereoUrl,omitempty"`
		Mono      struct {
			CombinedURL string `json:"combinedUrl,omitempty"`
		} `json:"mono,omitzero"`
	} `json:"recording,omitzero"`
}

// wireTime is a time of Vapi's; one that cannot be read, has no offset, or lies outside
// the years that JSON can hold is zero.
type wireTime struct{ time.Time }

func (t *wireTime) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		if at, err := time.Parse(time.RFC3339, s); err == nil && at.UTC().Year() >= 0 && at.UTC().Year() <= 9999 {
			t.Time = at.UTC()
		}
	}
	return nil
}

func decodeCall(data []byte) (*wireCall, error) {
	w := new(wireCall)
	if err := decode(data, w); err != nil {
		return nil, err
	}
	if w.ID == "" {
		return nil, errors.New("it holds no call id")
	}
	return w, nil
}

// statuses of Vapi's calls. What is not here (not-found, deletion-failed, new
// ones) says nothing about the call and counts as queued, the status that replaces
// no other; only "ended" is terminal.
var statuses = map[string]provider.Status{
	"scheduled":   provider.StatusQueued,
	"queued":      provider.StatusQueued,
	"ringing":     provider.StatusRinging,
	"in-progress": provider.StatusInProgress,
	"forwarding":  provider.StatusInProgress,
	"ended":       provider.StatusEnded,
}

// call translates w. mapped is false if the call ended for a reason that no rule
// knows.
func (w *wireCall) call() (c provider.Call, mapped bool) {
	c = provider.Call{
		ID: provider.CallID(w.ID), Key: w.key(), Status: statuses[w.Status], From: w.PhoneNumber.Number,
		CreatedAt: w.CreatedAt.Time, AnsweredAt: w.StartedAt.Time, EndedAt: w.EndedAt.Time,
		Transcript: w.transcript(), Summary: w.Analysis.Summary, RecordingURL: w.recording(), CostUSD: w.Cost,
	}
	mapped = true
	switch c.Status {
	case "":
		c.Status = provider.StatusQueued
	case provider.StatusEnded:
		c.Reason = vendorhttp.Scrub(w.EndedReason, w.Customer.Name, w.Customer.Number, w.Customer.SIPURI)
		c.Outcome, mapped = outcomeOf(w.EndedReason)
		c.Outcome = sharpen(c.Outcome, w.EndedReason, w.EndedMessage)
		c.NoSpeech = w.noSpeech(c.Outcome)
		if c.AnsweredAt.IsZero() && w.contacted(c.Outcome) {
			c.AnsweredAt = firstTime(w.EndedAt.Time, w.toldAt, w.UpdatedAt.Time, time.Now().UTC()) // by then
		}
	}
	w.EndedReason, w.EndedMessage = vendorhttp.Scrub(w.EndedReason), vendorhttp.Scrub(w.EndedMessage)
	if raw, err := json.Marshal(w); err == nil {
		c.Raw = raw
	}
	return c, mapped
}

// contacted reports whether the callee of w, which has ended with outcome o and does
// not say when it was answered, spoke, or may have for all that a status update tells:
// the one that said "in-progress" may be lost, or late. After a fault such a call must
// not pass for one that nobody answered, since that is dialled again.
func (w *wireCall) contacted(o provider.Outcome) bool {
	spoke, _ := w.speech()
	return spoke || w.partial && mayHaveTalked(w.EndedReason, o)
}

func firstTime(candidates ...time.Time) time.Time {
	for _, t := range candidates {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

// key is our key for the call, "" for a call that is not ours.
func (w *wireCall) key() string {
	var key string
	if json.Unmarshal(w.AssistantOverrides.Metadata[MetadataKey], &key) != nil {
		return ""
	}
	if _, _, ok := provider.SplitKey(key); !ok {
		return ""
	}
	return key
}

func (w *wireCall) recording() string {
	a := &w.Artifact
	for _, u := range []string{a.RecordingURL, a.Recording.Mono.CombinedURL, a.StereoRecordingURL, a.Recording.StereoURL} {
		if u != "" {
			return u
		}
	}
	return ""
}

// outbound reports whether w may be a call of ours: a webhook address and a list
// may hold others, too.
func (w *wireCall) outbound() bool { return w.Type == "" || w.Type == "outboundPhoneCall" }

// briefFault is how long a call that broke off may have lasted for its messages to
// be believed when they show no word of the callee's: whatever broke it may have
// lost the last ones.
const briefFault = 15 * time.Second

// noSpeech reports whether it is certain that the callee never spoke in w, which
// has ended with outcome o.
func (w *wireCall) noSpeech(o provider.Outcome) bool {
	spoke, told := w.speech()
	switch {
	case spoke:
		return false
	case neverConnected(w.EndedReason, o):
		return true
	case w.partial:
		return false
	case w.StartedAt.IsZero():
		return !w.EndedAt.IsZero() // Vapi counts minutes from startedAt: it never connected
	case !told:
		return false
	}
	switch o {
	case provider.OutcomeProviderFault, provider.OutcomeConfigError, provider.OutcomeRateLimited, provider.OutcomeUnknown:
		return !w.EndedAt.IsZero() && w.EndedAt.Sub(w.StartedAt.Time) <= briefFault
	}
	return true
}
