package vapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/superservices/voice/internal/vendorhttp"
	"github.com/superservices/voice/provider"
)

// Defaults of Config.
const (
	DefaultName    = "vapi"
	DefaultBaseURL = "https://api.vapi.ai"
)

// Config is of one account. Two accounts are two Providers with two Names.
type Config struct {
	// Name is what tasks, history and the store call this account; 1 to 63
	// lower-case letters, digits, "-" and "_". Changing it orphans the calls in
	// flight. Default DefaultName.
	Name string
	// AuthToken is the account's private key (VAPI_AUTH_TOKEN). Required.
	AuthToken string
	// PhoneNumberID is the Vapi id of the number to call from
	// (VAPI_PHONE_NUMBER_ID). Required unless every Request has From, which
	// voicetask.Config.Prepare may set: with neither a worker logs a warning.
	PhoneNumberID string
	// PhoneNumberIDs is a pool of numbers to call from, besides PhoneNumberID, for
	// carriers that bound the calls of one number. A dial's key chooses among them,
	// so that a dial that is sent again calls from the same one.
	PhoneNumberIDs []string
	// AssistantID is used when the task names none.
	AssistantID string
	// Assistant, when set, returns the whole assistant for a call, as an object of
	// Vapi's CreateAssistantDTO; nil means one by its id, as without this func. An
	// error, or a panic, fails the dial before anything is sent. It must be safe for
	// concurrent use, and so must Overrides.
	Assistant func(ctx context.Context, req provider.Request) (json.RawMessage, error)
	// Overrides, when set, returns an object of Vapi's AssistantOverrides for a
	// call: model, voice, voicemailDetection and so on (the task's model_config is
	// used nowhere else). What this package sets stands above it; variableValues,
	// metadata and serverMessages are joined, where names of yours and of the
	// task's data meet yours count; in transportConfigurations the shorter ring
	// timeout counts.
	Overrides func(ctx context.Context, req provider.Request) (json.RawMessage, error)
	// BaseURL is where the API is (VAPI_BASE_URL): https, or http on this
	// machine. Default DefaultBaseURL.
	BaseURL string
	// WebhookURL, when set, makes each call report there: serve WebhookHandler at
	// it. Empty: calls are polled, and whatever the assistant or the account has
	// configured stays in force. Like BaseURL, it is https or on this machine.
	WebhookURL string
	// WebhookSecret is sent to WebhookURL as the header X-Vapi-Secret
	// (VAPI_WEBHOOK_SECRET). Empty: the account authenticates its webhooks in
	// another way, which WebhookConfig.Bearer, HMAC or Verify then checks. Without
	// WebhookURL it is not used: a worker may share its variables with the service
	// that serves the webhooks. New then logs that calls are polled.
	WebhookSecret string
	// WebhookCredentialID is the id of a credential kept at Vapi (bearer, OAuth or
	// HMAC) that its webhooks carry; WebhookConfig.Bearer, HMAC or Verify then
	// checks it. It needs WebhookURL. Beside WebhookSecret both are sent.
	WebhookCredentialID string
	// HTTPClient is for everything but Place, which takes its proxy and TLS
	// settings only: its connection rules are its own. Its Transport must be nil
	// or an *http.Transport. Default: a client with a timeout of 30 s. Redirects
	// are never followed.
	HTTPClient *http.Client
	// Observe, when set, is told of reasons for an end that no rule knows
	// (provider.NoticeUnmappedReason), once for a call of ours that polling finds
	// so. It must not block.
	Observe func(ctx context.Context, n provider.Notice)
	// Logger gets a line for what an operator may want to look into. Default: none.
	Logger *slog.Logger
}

// ConfigFromEnv reads this package's variables (VAPI_AUTH_TOKEN,
// VAPI_PHONE_NUMBER_ID, VAPI_BASE_URL, VAPI_WEBHOOK_SECRET); pass os.Getenv.
// VAPI_PHONE_NUMBER_ID may name a pool, separated by commas. An
// error names every variable that is wrong. A missing one is none: New says what is
// required, and the host may fill it in first; that there is a number to call from
// voicetask.RegisterWorker looks at, since Config.Prepare may choose one.
func ConfigFromEnv(getenv func(string) string) (Config, error) {
	var (
		c     Config
		wrong []error
	)
	for _, v := range []struct {
		name  string
		to    *string
		check func(string) error
	}{
		{"VAPI_AUTH_TOKEN", &c.AuthToken, checkToken},
		{"VAPI_BASE_URL", &c.BaseURL, checkURL},
		{"VAPI_WEBHOOK_SECRET", &c.WebhookSecret, checkToken},
	} {
		value := getenv(v.name)
		if value == "" {
			continue
		}
		if err := v.check(value); err != nil {
			wrong = append(wrong, fmt.Errorf("vapi: %s: %w", v.name, err))
		}
		*v.to = value
	}
	pool := splitIDs(getenv("VAPI_PHONE_NUMBER_ID"))
	for _, id := range pool {
		if err := checkToken(id); err != nil {
			wrong = append(wrong, fmt.Errorf("vapi: VAPI_PHONE_NUMBER_ID: %w", err))
			break
		}
	}
	if len(wrong) > 0 {
		return Config{}, errors.Join(wrong...)
	}
	if len(pool) > 0 {
		c.PhoneNumberID, c.PhoneNumberIDs = pool[0], pool[1:]
	}
	return c, nil
}

// splitIDs reads a list separated by commas. A single id is kept as it is, white
// space and all, for checkToken to object to.
func splitIDs(list string) (ids []string) {
	if !strings.Contains(list, ",") {
		ids = append(ids, list)
	} else {
		for id := range strings.SplitSeq(list, ",") {
			ids = append(ids, strings.TrimSpace(id))
		}
	}
	return slices.DeleteFunc(ids, func(id string) bool { return id == "" })
}

var validName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

// checked returns c with its defaults, or an error that names the field.
func (c Config) checked() (Config, error) {
	if c.Name == "" {
		c.Name = DefaultName
	}
	if c.BaseURL == "" {
		c.BaseURL = DefaultBaseURL
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if !validName.MatchString(c.Name) {
		return c, fmt.Errorf("vapi: Config.Name is %q: use 1 to 63 lower-case letters, digits, - and _, starting with a letter or digit", c.Name)
	}
	if c.AuthToken == "" {
		return c, errors.New("vapi: Config.AuthToken is empty: set it to the account's private key (VAPI_AUTH_TOKEN)")
	}
	for _, f := range []struct {
		name, value string
		check       func(string) error
	}{
		{"AuthToken", c.AuthToken, checkToken},
		{"PhoneNumberID", c.PhoneNumberID, checkToken},
		{"AssistantID", c.AssistantID, checkToken},
		{"BaseURL", c.BaseURL, checkURL},
		{"WebhookURL", c.WebhookURL, checkWebhookURL},
		{"WebhookSecret", c.WebhookSecret, checkToken},
		{"WebhookCredentialID", c.WebhookCredentialID, checkToken},
	} {
		if f.value == "" {
			continue
		}
		if err := f.check(f.value); err != nil {
			return c, fmt.Errorf("vapi: Config.%s: %w", f.name, err)
		}
	}
	c.PhoneNumberIDs = slices.Clone(c.PhoneNumberIDs)
	for _, id := range c.PhoneNumberIDs {
		if id == "" {
			return c, errors.New("vapi: Config.PhoneNumberIDs holds an empty id: remove it")
		}
		if err := checkToken(id); err != nil {
			return c, fmt.Errorf("vapi: Config.PhoneNumberIDs: %w", err)
		}
	}
	return c, c.checkCredential()
}

// checkCredential refuses a credential that would not be sent.
func (c Config) checkCredential() error {
	if c.WebhookCredentialID != "" && c.WebhookURL == "" {
		return errors.New("vapi: Config.WebhookCredentialID is set, but WebhookURL is not: set it to where WebhookHandler is served, or calls do not report")
	}
	return nil
}

// checkToken refuses what cannot be a header or an id. It does not repeat value.
func checkToken(value string) error {
	if strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return errors.New("it holds white space or characters outside ASCII: remove them (a newline at the end is the usual one)")
	}
	return nil
}

func checkURL(value string) error {
	u, err := vendorhttp.ParseURL(value)
	if err != nil {
		return fmt.Errorf("%w: set it to a URL like %s (http:// only on this machine)", err, DefaultBaseURL)
	}
	if u.Scheme != "https" && !vendorhttp.IsLoopback(u) {
		return errors.New("it must begin with https:// unless it is on this machine, since secrets travel over it")
	}
	return nil
}

// checkWebhookURL allows a query, which some receivers route by.
func checkWebhookURL(value string) error {
	u, err := url.Parse(value)
	if err != nil {
		return errors.New("it is no URL")
	}
	u.RawQuery, u.ForceQuery = "", false
	return checkURL(u.String())
}

// Format writes c without its secrets, whatever the verb.
func (c Config) Format(s fmt.State, _ rune) { _, _ = fmt.Fprint(s, c.public()) }

// LogValue is c without its secrets.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.public()) }

// MarshalJSON writes c without its secrets.
func (c Config) MarshalJSON() ([]byte, error) { return json.Marshal(c.public()) }

func (c Config) public() string {
	return fmt.Sprintf("vapi.Config{Name:%q BaseURL:%q PhoneNumberID:%q AssistantID:%q AuthToken:%s WebhookSecret:%s}",
		c.Name, c.BaseURL, c.PhoneNumberID, c.AssistantID, redacted(c.AuthToken), redacted(c.WebhookSecret))
}

func redacted(secret string) string {
	if secret == "" {
		return "-"
	}
	return "[redacted]"
}
