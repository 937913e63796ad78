package codec

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
)

// EnvKeys is the variable that Configure reads: keys of 32 bytes in base64, with
// commas between them. The first one encrypts.
const EnvKeys = "VOICE_PAYLOAD_KEY"

// Configure sets o's data and failure converter to the keys of VOICE_PAYLOAD_KEY,
// and leaves o alone if that is not set. Errors do not repeat the variable's value.
func Configure(o *client.Options, getenv func(string) string) error {
	list := strings.TrimSpace(getenv(EnvKeys))
	if list == "" {
		return nil
	}
	var keys []Key
	for i, text := range strings.Split(list, ",") {
		secret, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
		if err != nil || len(secret) != keySize {
			return fmt.Errorf("%s: key %d is not %d bytes in base64: make one with \"openssl rand -base64 %[3]d\"", EnvKeys, i+1, keySize)
		}
		keys = append(keys, Key{ID: fingerprint(secret), Secret: secret})
	}
	dc, err := NewDataConverter(keys[0].Secret, keys[0].ID, keys[1:]...)
	if err != nil {
		return fmt.Errorf("%s: %w", EnvKeys, err)
	}
	o.DataConverter = dc
	o.FailureConverter = temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{
		DataConverter: dc, EncodeCommonAttributes: true, // texts and stack traces of errors
	})
	return nil
}

// fingerprint names a key by itself, so that a list of keys needs no names. It says
// nothing about a random key.
func fingerprint(secret []byte) string {
	sum := sha256.Sum256(secret)
	return hex.EncodeToString(sum[:4])
}

// NewDataConverter returns Temporal's default data converter with everything encrypted
// under key. Older keys decrypt only.
func NewDataConverter(key []byte, keyID string, older ...Key) (converter.DataConverter, error) {
	c, err := New(Key{ID: keyID, Secret: key}, older...)
	if err != nil {
		return nil, err
	}
	return dataConverter{converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), c), c}, nil
}

// dataConverter tells workflow code from all other code, for the sake of one thing:
// the Go SDK fails a workflow whose input cannot be decoded, for good. A worker without
// the key must not do that to a task, and a panic there only fails the workflow task,
// which is repeated.
type dataConverter struct {
	converter.DataConverter
	codec *Codec
}

var _ converter.ContextAware = dataConverter{}

func (d dataConverter) WithWorkflowContext(converter.WorkflowContext) converter.DataConverter {
	return converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), insistent{d.codec})
}

func (d dataConverter) WithContext(context.Context) converter.DataConverter { return d }

// insistent panics rather than give up.
type insistent struct{ *Codec }

func (i insistent) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	opened, err := i.Codec.Decode(payloads)
	if err != nil {
		panic(err)
	}
	return opened, nil
}
