package livekit

import (
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// tokenLife is short: a token is made for each request and checked when that
	// arrives. tokenSkew is for a server whose clock is behind ours.
	tokenLife = 2 * time.Minute
	tokenSkew = time.Minute
)

// grants are what one request may do, and no more.
type grants struct {
	Video *videoGrant `json:"video,omitempty"`
	SIP   *sipGrant   `json:"sip,omitempty"`
}

type videoGrant struct {
	RoomCreate bool   `json:"roomCreate,omitempty"`
	RoomList   bool   `json:"roomList,omitempty"`
	RoomAdmin  bool   `json:"roomAdmin,omitempty"`
	Room       string `json:"room,omitempty"`
}

type sipGrant struct {
	Call bool `json:"call,omitempty"`
}

func mayCreate() grants           { return grants{Video: &videoGrant{RoomCreate: true}} }
func mayList() grants             { return grants{Video: &videoGrant{RoomList: true}} }
func mayAdmin(room string) grants { return grants{Video: &videoGrant{RoomAdmin: true, Room: room}} }
func mayCall() grants             { return grants{SIP: &sipGrant{Call: true}} }

type claims struct {
	jwt.RegisteredClaims
	grants
}

// signer makes tokens. It is a function, so that printing what holds it does not
// print the secret.
type signer func(g grants, now time.Time) (string, error)

func newSigner(apiKey, secret string) signer {
	return func(g grants, now time.Time) (string, error) {
		c := claims{grants: g, RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    apiKey,
			NotBefore: jwt.NewNumericDate(now.Add(-tokenSkew)),
			ExpiresAt: jwt.NewNumericDate(now.Add(tokenLife)),
		}}
		return jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString([]byte(secret))
	}
}
