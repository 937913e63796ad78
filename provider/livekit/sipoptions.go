package livekit

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/superservices/voice/provider"
)

// SIPOptions are fields of LiveKit's CreateSIPParticipant that a host may set for a
// call; each zero field leaves LiveKit's own default. The caller's number is
// Config.From or Request.From.
type SIPOptions struct {
	// Headers go into the INVITE.
	Headers map[string]string `json:"headers,omitempty"`
	// IncludeHeaders makes headers of the answer attributes of the callee, say
	// "SIP_X_HEADERS".
	IncludeHeaders string `json:"include_headers,omitempty"`
	// DisplayName is shown to the callee where the carrier passes it on. Nil: the
	// caller's number; empty: none.
	DisplayName *string `json:"display_name,omitempty"`
	// DTMF digits are sent after the answer; "w" waits half a second.
	DTMF string `json:"dtmf,omitempty"`
	// HidePhoneNumber keeps the callee's number out of the participant's attributes.
	HidePhoneNumber bool `json:"hide_phone_number,omitempty"`
	// PlayDialtone lets the room hear the ringing.
	PlayDialtone bool `json:"play_dialtone,omitempty"`
	// KrispEnabled filters the callee's noise.
	KrispEnabled bool `json:"krisp_enabled,omitempty"`
	// MediaEncryption is, say, "SIP_MEDIA_ENCRYPT_REQUIRE".
	MediaEncryption string `json:"media_encryption,omitempty"`
	// ParticipantMetadata is the callee's.
	ParticipantMetadata string `json:"participant_metadata,omitempty"`
}

var headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")

// checked refuses what would break out of the header it is for.
func (o SIPOptions) checked() error {
	for name, value := range o.Headers {
		if !headerName.MatchString(name) {
			return errors.New("Config.SIP returned a header whose name is none")
		}
		if strings.ContainsFunc(value, unicode.IsControl) || len(value) > 2000 {
			return fmt.Errorf("Config.SIP returned control characters, or over 2000 bytes, for the header %s", name)
		}
	}
	if o.DisplayName != nil && strings.ContainsFunc(*o.DisplayName, unicode.IsControl) {
		return errors.New("Config.SIP returned control characters in DisplayName")
	}
	return nil
}

// sipOptions asks the host. Its error, or panic, is repeated to nobody: it may hold a
// number. Nothing has been sent yet, so either is certain.
func (p *Provider) sipOptions(ctx context.Context, req provider.Request) (o SIPOptions, err error) {
	if p.cfg.SIP == nil {
		return SIPOptions{}, nil
	}
	defer func() {
		if recover() != nil {
			o, err = SIPOptions{}, errors.New("Config.SIP panicked")
		}
	}()
	if o, err = p.cfg.SIP(ctx, req); err != nil {
		return SIPOptions{}, errors.New("Config.SIP failed")
	}
	return o, o.checked()
}
