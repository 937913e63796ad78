package vapi_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/vapi"
)

// Two accounts on one platform: two Providers with two Names, and a handler at a URL of
// its own for each. Their webhooks are signed, by a credential kept at Vapi (HMAC); its
// id is in the Config, its key in the WebhookConfig. A task chooses its account by
// data.provider, or voicetask.Config.ProviderFor does.
func Example_twoAccounts() {
	accounts := []struct{ name, token, number, credential, key string }{
		{"vapi-eu", "token-of-the-one", "pn-eu", "cred-eu", "signing key of the one"},
		{"vapi-us", "token-of-the-other", "pn-us", "cred-us", "signing key of the other"},
	}
	sink := provider.EventSinkFunc(func(_ context.Context, e provider.Event) error { // a *voicetask.Client
		fmt.Println(e.Provider, e.Key, e.Call.Status, e.Call.Outcome)
		return nil
	})
	var providers []provider.Provider
	mux := http.NewServeMux()
	for _, a := range accounts {
		path := "/webhooks/" + a.name
		p, err := vapi.New(vapi.Config{
			Name: a.name, AuthToken: a.token, PhoneNumberID: a.number,
			WebhookURL: "https://voice.example.org" + path, WebhookCredentialID: a.credential,
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		h, err := vapi.WebhookHandler(vapi.WebhookConfig{Provider: a.name, HMAC: &vapi.HMAC{Secret: a.key}}, sink)
		if err != nil {
			fmt.Println(err)
			return
		}
		providers = append(providers, p)
		mux.Handle("POST "+path, h)
	}
	registry, err := provider.NewRegistry(providers...) // goes into voicetask.Config.Providers
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(registry.Names())

	// What Vapi sends, as it signs it: the right one, and one with the other account's key.
	fmt.Println(post(mux, "/webhooks/vapi-eu", accounts[0].key))
	fmt.Println(post(mux, "/webhooks/vapi-eu", accounts[1].key))
	// Output:
	// [vapi-eu vapi-us]
	// vapi-eu order-7/1 ended no_answer
	// 204
	// 401
}

// post signs a report with key and returns the handler's status.
func post(h http.Handler, path, key string) int {
	now := time.Now()
	body := fmt.Sprintf(`{"message": {"type": "status-update", "timestamp": %d, "status": "ended", "endedReason": "customer-did-not-answer",
		"call": {"id": "call-1", "type": "outboundPhoneCall", "assistantOverrides": {"metadata": {"voice_key": "order-7/1"}}}}}`, now.UnixMilli())
	at := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(at + "." + body))
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("X-Timestamp", at)
	r.Header.Set("X-Signature", hex.EncodeToString(mac.Sum(nil)))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}
