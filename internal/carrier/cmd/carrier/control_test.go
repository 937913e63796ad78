package main

import (
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// startWithControl starts the command with a control port, which its flag must name: one
// that was free, unless somebody was quicker.
func startWithControl(t *testing.T) (at addresses, port int, stop func() error) {
	t.Helper()
	for {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port = l.Addr().(*net.TCPAddr).Port
		_ = l.Close()
		at, stop, err = tryStart(t, flags(t, "-ledger", filepath.Join(t.TempDir(), "l"), "-control-port", strconv.Itoa(port)))
		if err == nil {
			return at, port, stop
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatal(err)
		}
	}
}

func TestTheControlPortMakesThePlatformMisbehave(t *testing.T) {
	at, port, stop := startWithControl(t)
	defer func() { _ = stop() }()
	tell := func(body string) int {
		resp, err := http.Post("http://127.0.0.1:"+strconv.Itoa(port)+"/trouble", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	if got := tell(`{"faults":[{"kind":"fail_after_accept","status":520}],"find_lag":"1s","webhooks":{"Drop":true}}`); got != http.StatusNoContent {
		t.Errorf("status %d", got)
	}
	for _, bad := range []string{`{"fault":1}`, `{"find_lag":"soon"}`, `[`} {
		if got := tell(bad); got != http.StatusBadRequest {
			t.Errorf("%s: status %d", bad, got)
		}
	}
	req, err := http.NewRequest(http.MethodPost, "http://"+at.Vapi+"/call",
		strings.NewReader(`{"assistantId":"a","phoneNumberId":"p","customer":{"number":"+12125550186"}}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer any")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 520 {
		t.Errorf("the call was answered with %d, want the fault's 520", resp.StatusCode)
	}
	resp, err = http.Get("http://127.0.0.1:" + strconv.Itoa(port) + "/counts")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); strings.TrimSpace(string(b)) != `{"faults_left":0,"posts":1}` {
		t.Errorf("counts: %s", b)
	}
}
