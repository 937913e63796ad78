package main

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/superservices/voice/internal/carrier/fakevapi"
)

// trouble is what POST /trouble of the control port takes: how the fake of Vapi
// behaves from now on. A field that is not there changes nothing.
type trouble struct {
	// Faults are met by the next requests that place a call, one each.
	Faults []struct {
		Kind   fakevapi.FaultKind `json:"kind"`
		Status int                `json:"status"`
		Body   string             `json:"body"`
	} `json:"faults"`
	// FindLag hides calls placed from now on for so long.
	FindLag *string `json:"find_lag"`
	// Webhooks, if given, says what happens to them.
	Webhooks *fakevapi.Webhooks `json:"webhooks"`
}

// control serves the control port: a harness makes the platform misbehave there. It
// can make no phone ring and nothing unwritten.
func control(vapi *fakevapi.Server) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /trouble", func(w http.ResponseWriter, r *http.Request) {
		var t trouble
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
		d.DisallowUnknownFields()
		if err := d.Decode(&t); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if t.FindLag != nil {
			lag, err := time.ParseDuration(*t.FindLag)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			vapi.SetFindLag(lag)
		}
		for _, f := range t.Faults {
			vapi.Inject(fakevapi.Fault{Kind: f.Kind, Status: f.Status, Body: f.Body})
		}
		if t.Webhooks != nil {
			vapi.SetWebhooks(*t.Webhooks)
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /counts", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]int{"posts": vapi.Posts(""), "faults_left": vapi.FaultsLeft()})
	})
	return mux
}
