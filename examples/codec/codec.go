// Package codec encrypts what a host gives to Temporal: a task's number, name and
// instructions, and the results, lie in workflow history for the namespace's whole
// retention, and everybody with access to it can read them.
//
// It shows a converter.PayloadCodec of AES-256-GCM and how every process of a host
// gets it: worker, consumer, and any service with a Temporal client.
//
//	export VOICE_PAYLOAD_KEY=$(openssl rand -base64 32)
//
//	err := codec.Configure(&options, os.Getenv) // client.Options, before client.Dial
//
// In the Web UI the payloads of such a workflow read "binary/encrypted"; to read them
// there, serve converter.NewPayloadCodecHTTPHandler with a Codec to those who may.
//
// # What is covered, and what is not
//
// Covered: inputs and results of workflow and activities, signals, queries, heartbeat
// details, memos, summaries, and, with Configure, details, texts and stack traces of errors.
// (A client whose DataConverter alone is set sends the details of errors as they are: the
// FailureConverter has a data converter of its own.) Not covered, because the server reads
// them: workflow ids (so keep numbers out of task ids), names of workflows and activities,
// search attributes. The rows of the store are not
// either: encrypt the database's disk.
//
// Payloads that are not encrypted are read as they are, so encryption may be switched on
// while calls are in flight. Whoever can write to history can therefore also write plain
// payloads: this keeps secrets, it does not tell who wrote.
//
// # Changing the key
//
// VOICE_PAYLOAD_KEY is a list with commas. The first key encrypts, all of them decrypt:
//
//  1. Append the new key ("old,new") and deploy all processes.
//  2. Put it first ("new,old") and deploy all processes.
//  3. Remove the old one after the namespace's retention, when no open workflow began
//     before step 2.
//
// A worker that meets a key it does not have fails the workflow task, which Temporal
// repeats until a worker has the key: no task is lost by a deployment in the wrong order.
// One key is good for about four thousand million payloads (random nonces of 96 bits).
package codec

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"
)

// What an encrypted payload carries besides its data.
const (
	// Encoding is the payload's metadata "encoding".
	Encoding = "binary/encrypted"
	// MetadataKeyID names the key. It is authenticated too.
	MetadataKeyID = "encryption-key-id"
)

const keySize = 32 // AES-256

// Key is a secret of 32 random bytes and the name that payloads carry for it.
type Key struct {
	ID     string
	Secret []byte
}

// Codec is a converter.PayloadCodec. It is safe for concurrent use.
type Codec struct {
	current string
	ciphers map[string]cipher.AEAD // by key id
}

var _ converter.PayloadCodec = (*Codec)(nil)

// New returns a Codec that encrypts with current and decrypts with all of them.
func New(current Key, older ...Key) (*Codec, error) {
	c := &Codec{current: current.ID, ciphers: map[string]cipher.AEAD{}}
	for _, key := range append([]Key{current}, older...) {
		switch _, twice := c.ciphers[key.ID]; {
		case key.ID == "":
			return nil, errors.New("codec: a key has no id: payloads carry it, so that keys can be changed")
		case twice:
			return nil, fmt.Errorf("codec: the key id %q is there twice", key.ID)
		case len(key.Secret) != keySize:
			return nil, fmt.Errorf("codec: key %q has %d bytes, AES-256 needs %d", key.ID, len(key.Secret), keySize)
		}
		block, err := aes.NewCipher(key.Secret)
		if err != nil {
			return nil, fmt.Errorf("codec: key %q: %w", key.ID, err)
		}
		if c.ciphers[key.ID], err = cipher.NewGCMWithRandomNonce(block); err != nil {
			return nil, fmt.Errorf("codec: key %q: %w", key.ID, err)
		}
	}
	return c, nil
}

// Encode encrypts each payload whole: data and metadata.
func (c *Codec) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	sealed := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		plain, err := proto.Marshal(p)
		if err != nil {
			return nil, fmt.Errorf("codec: encoding a payload: %w", err)
		}
		sealed[i] = &commonpb.Payload{
			Metadata: map[string][]byte{converter.MetadataEncoding: []byte(Encoding), MetadataKeyID: []byte(c.current)},
			Data:     c.ciphers[c.current].Seal(nil, nil, plain, bound(c.current)),
		}
	}
	return sealed, nil
}

// Decode is the inverse of Encode. What is not encrypted it returns as it is.
func (c *Codec) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	opened := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		if string(p.GetMetadata()[converter.MetadataEncoding]) != Encoding {
			opened[i] = p
			continue
		}
		id := string(p.GetMetadata()[MetadataKeyID])
		aead, ok := c.ciphers[id]
		if !ok {
			have := strings.Join(slices.Sorted(maps.Keys(c.ciphers)), ", ")
			return nil, fmt.Errorf("codec: a payload needs the key %q, this process has %s: add it to the older keys", id, have)
		}
		plain, err := aead.Open(nil, nil, p.GetData(), bound(id))
		if err != nil {
			return nil, fmt.Errorf("codec: a payload does not fit key %q: it was changed, or that id stands for another key here", id)
		}
		opened[i] = &commonpb.Payload{}
		if err := proto.Unmarshal(plain, opened[i]); err != nil {
			return nil, fmt.Errorf("codec: decoding a payload: %w", err)
		}
	}
	return opened, nil
}

// bound is the metadata that a payload's data is bound to.
func bound(keyID string) []byte { return []byte(Encoding + "\x00" + keyID) }
