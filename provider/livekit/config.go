package livekit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/superservices/voice/internal/vendorhttp"
	"github.com/superservices/voice/provider"
)

// DefaultName is the name of a Provider whose Config gives none.
const DefaultName = "livekit"

// Defaults of Config.
const (
	DefaultAgentWait = 10 * time.Second
	DefaultGoneAfter = 3 * time.Second
	DefaultAgentGone = 6 * time.Second
)

// Config is of one LiveKit project. Two projects are two Providers with two Names.
type Config struct {
	// Name of the Provider; default DefaultName.
	Name string
	// URL of the server, LIVEKIT_URL; ws:// and wss:// are taken as http:// and
	// https://. Required.
	URL string
	// APIKey and APISecret, LIVEKIT_API_KEY and LIVEKIT_API_SECRET, sign each
	// request; the secret itself is never sent. Required.
	APIKey    string
	APISecret string `json:"-"`
	// SIPTrunkID is the outbound trunk, LIVEKIT_SIP_TRUNK_ID. Required, unless
	// AgentDials.
	SIPTrunkID string
	// AgentName is the name the agent registers under, AGENT_NAME. It is
	// dispatched into the room before the phone rings. Empty: nobody is
	// dispatched or waited for, which suits agents that LiveKit dispatches into
	// every room by itself.
	AgentName string
	// AgentWait is how long the agent may take to join before the dial is given
	// up without ringing anybody; default DefaultAgentWait. A dial may take that much
	// longer, which voicetask.Config.DrainTime counts in.
	AgentWait time.Duration
	// AgentDials: the agent, not this package, brings in the callee. Place then
	// only creates the room and dispatches the agent with the number (see the
	// package's documentation). Needs AgentName.
	AgentDials bool
	// GoneAfter is how long the callee of an answered call must be missing before
	// Get says that the call is over, and how long after the answer that is not
	// said at all. It is spent in the Get that notices. Default DefaultGoneAfter.
	GoneAfter time.Duration
	// AgentGone is how long an agent may be missing from a call before the call is
	// ended as provider.OutcomeProviderFault, unless somebody else is there to talk
	// to the callee: long enough for an agent to come back after a restart of the
	// server. A Get that notices spends it; a webhook is sent again by LiveKit, over
	// some 15 s, so beyond those only polling ends such calls. Negative: they are left
	// alone. Default DefaultAgentGone.
	AgentGone time.Duration
	// From is the caller's number; default one of the trunk's.
	From string
	// SIP, when set, returns what else LiveKit shall do about a call: headers,
	// display name, DTMF and so on. An error fails the dial before anything is
	// sent. It must be safe for concurrent use.
	SIP func(ctx context.Context, req provider.Request) (SIPOptions, error)
	// Egress, when set, records each call: a RoomEgress object of LiveKit's, such as
	// {"room": {"audio_only": true, "file_outputs": [{"filepath":
	// "calls/{identity}.ogg", "s3": {...}}]}}, which starts with the room. {identity}
	// becomes the callee's participant identity. A filepath without it, and without
	// {room_name}, {room_id}, {time} or another of LiveKit's templates that differs from
	// call to call, is refused: recordings would overwrite each other. For tasks that name
	// their own room it must be {identity}, since only that tells WebhookHandler whose
	// recording an egress_ended is about. LiveKit drops keys that it does not know without
	// a word; those beside room, participant and tracks are refused here. It needs
	// LiveKit's egress service: where that refuses,
	// nobody is rung and the error has its code, but with AgentDials it is
	// provider.KindOutcomeUnknown, since the agent was sent for before.
	Egress json.RawMessage `json:"-"`
	// Webhooks: this project's webhooks reach a WebhookHandler, so that polling may
	// wait for a silence. False: every call is polled.
	Webhooks bool
	// HTTPClient is for all requests but the dial, which takes its proxy and TLS
	// settings only: its connection rules are its own. A Transport that is neither
	// nil nor *http.Transport is refused. Default: a timeout of 30 s.
	HTTPClient *http.Client
	// Logger takes what went wrong beside a call; default: none.
	Logger *slog.Logger
}

// The variables that ConfigFromEnv reads.
const (
	envURL       = "LIVEKIT_URL"
	envAPIKey    = "LIVEKIT_API_KEY"
	envAPISecret = "LIVEKIT_API_SECRET"
	envTrunk     = "LIVEKIT_SIP_TRUNK_ID"
	envAgent     = "AGENT_NAME"
)

// ConfigFromEnv reads LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET,
// LIVEKIT_SIP_TRUNK_ID and AGENT_NAME; pass os.Getenv. An error names every variable
// that is wrong and repeats no value. A missing one is none: New says what
// is required, and by which variable, and the host may fill it in first.
func ConfigFromEnv(getenv func(string) string) (Config, error) {
	c := Config{
		URL: getenv(envURL), APIKey: getenv(envAPIKey), APISecret: getenv(envAPISecret),
		SIPTrunkID: getenv(envTrunk), AgentName: getenv(envAgent),
	}
	var wrong []error
	for _, f := range c.fields() {
		if err := f.wrong(); err != nil {
			wrong = append(wrong, fmt.Errorf("livekit: %s: %w", f.variable, err))
		}
	}
	if len(wrong) > 0 {
		return Config{}, errors.Join(wrong...)
	}
	return c, nil
}

type field struct {
	name, variable, value string
	optional              bool
	check                 func(string) error
}

func (c Config) fields() []field {
	return []field{
		{"URL", envURL, c.URL, false, checkURL},
		{"APIKey", envAPIKey, c.APIKey, false, checkToken},
		{"APISecret", envAPISecret, c.APISecret, false, checkToken},
		{"SIPTrunkID", envTrunk, c.SIPTrunkID, c.AgentDials, checkToken},
		{"AgentName", envAgent, c.AgentName, !c.AgentDials, checkToken},
	}
}

func (f field) wrong() error {
	if f.value == "" {
		return nil
	}
	return f.check(f.value)
}

var validName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

// checked returns c with its defaults, or an error that names the field, or fields.
func (c Config) checked() (Config, error) {
	if c.Name == "" {
		c.Name = DefaultName
	}
	if c.AgentWait == 0 {
		c.AgentWait = DefaultAgentWait
	}
	if c.GoneAfter == 0 {
		c.GoneAfter = DefaultGoneAfter
	}
	if c.AgentGone == 0 {
		c.AgentGone = DefaultAgentGone
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if !validName.MatchString(c.Name) {
		return c, fmt.Errorf("livekit: Config.Name is %q: use 1 to 63 lower-case letters, digits, - and _, starting with a letter or digit", c.Name)
	}
	var wrong []error // all of them: they come from variables that are set together
	for _, f := range c.fields() {
		if f.value == "" && !f.optional {
			wrong = append(wrong, fmt.Errorf("livekit: Config.%s is required (%s)", f.name, f.variable))
		} else if err := f.wrong(); err != nil {
			wrong = append(wrong, fmt.Errorf("livekit: Config.%s: %w", f.name, err))
		}
	}
	if len(wrong) > 0 {
		return c, errors.Join(wrong...)
	}
	if err := checkEgress(c.Egress); err != nil {
		return c, err
	}
	if c.AgentWait < 0 || c.GoneAfter < 0 {
		return c, errors.New("livekit: Config.AgentWait and GoneAfter must not be negative: leave them zero for the defaults")
	}
	return c, nil
}

// checkToken refuses what cannot be meant. It does not repeat value.
func checkToken(value string) error {
	if strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return errors.New("it holds white space or characters outside ASCII: remove them (a newline at the end is the usual one)")
	}
	return nil
}

func checkURL(value string) error {
	if _, err := baseURL(value); err != nil {
		return fmt.Errorf("%w: set it to a URL like wss://example.livekit.cloud", err)
	}
	return nil
}

func baseURL(raw string) (*url.URL, error) {
	scheme, rest, ok := strings.Cut(raw, "://")
	if ok {
		switch strings.ToLower(scheme) {
		case "ws":
			raw = "http://" + rest
		case "wss":
			raw = "https://" + rest
		}
	}
	return vendorhttp.ParseURL(raw)
}

// String leaves out the secrets.
func (c Config) String() string {
	return fmt.Sprintf("livekit.Config{Name: %q, AgentName: %q, AgentDials: %t, Webhooks: %t}", c.Name, c.AgentName, c.AgentDials, c.Webhooks)
}

// Format writes c without its secrets, whatever the verb.
func (c Config) Format(s fmt.State, _ rune) { _, _ = fmt.Fprint(s, c.String()) }

// MarshalJSON writes c without its secrets.
func (c Config) MarshalJSON() ([]byte, error) { return json.Marshal(c.String()) }

// LogValue leaves out the secrets.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }
