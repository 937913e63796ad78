package main

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

// The file shows what it promises to show.
func TestTheTasksFile(t *testing.T) {
	cases, err := loadCases()
	if err != nil {
		t.Fatal(err)
	}
	tasks, broken, doubled, lanes, seen := 0, 0, 0, map[string]int{}, map[string]bool{}
	for _, c := range cases {
		if !c.isTask() {
			broken++
			seen[c.Expect.DeadLetter] = true
			continue
		}
		tasks++
		lanes[c.Lane]++
		seen[c.Expect.Outcome], seen[c.Expect.Status], seen[c.Expect.Deferred] = true, true, true
		if c.Repeat > 1 {
			doubled++
		}
		if strings.Contains(string(c.value), `"room"`) {
			seen["room"] = true
		}
	}
	if tasks < 60 || broken < 12 || doubled < 3 || lanes[laneNormal] == 0 || lanes[laneBulk] == 0 {
		t.Errorf("%d tasks %v, %d broken, %d doubled", tasks, lanes, broken, doubled)
	}
	for _, want := range []string{
		"completed", "busy", "no_answer", "voicemail", "declined", "invalid_number", "provider_fault", "timed_out", "config_error",
		"failed", "cancelled", "hours", "room", "invalid_task", "decode", "too_large",
	} {
		if !seen[want] {
			t.Errorf("nothing in the file ends %s", want)
		}
	}
}

func TestMadeMessages(t *testing.T) {
	big, err := generator{"padding", 2 << 20}.make()
	if err != nil || len(big) != 2<<20 {
		t.Errorf("padding: %d bytes, %v", len(big), err)
	}
	deep, err := generator{"nesting", 10000}.make()
	if err != nil || bytes.Count(deep, []byte("[")) != 10000 || !utf8.Valid(deep) {
		t.Errorf("nesting: %v", err)
	}
	none, err := generator{Kind: "null"}.make()
	if err != nil || none != nil {
		t.Errorf("null: %q, %v", none, err)
	}
	if _, err := (generator{Kind: "surprise"}).make(); err == nil {
		t.Error("an unknown kind was made")
	}
}

func TestALineThatIsWrongIsNamed(t *testing.T) {
	const good = `{"case":"c","key":"k","lane":"normal","message":{"task_id":"k","data":{"contact_number":"+1"}},"expect":{"status":"s","outcome":"o"}}`
	if _, err := parseCases([]byte(good + "\n\n")); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"not JSON":               "{",
		"an unknown field":       strings.Replace(good, `"case"`, `"kase"`, 1),
		"no such lane":           strings.Replace(good, "normal", "fast", 1),
		"no expectation":         strings.Replace(good, `"status":"s",`, "", 1),
		"another task_id":        strings.Replace(good, `"task_id":"k"`, `"task_id":"j"`, 1),
		"no callee":              strings.Replace(good, "contact_number", "number", 1),
		"two kinds of message":   strings.Replace(good, `"message"`, `"raw_base64":"","message"`, 1),
		"no message":             `{"case":"c","key":"k","lane":"bulk","expect":{"dead_letter":"decode"}}`,
		"no base64":              `{"case":"c","key":"k","lane":"bulk","raw_base64":"!","expect":{"dead_letter":"decode"}}`,
		"no key":                 strings.Replace(good, `"key":"k",`, "", 1),
		"the same key twice":     good + "\n" + good,
		"the same callee twice":  good + "\n" + strings.ReplaceAll(good, `"k"`, `"l"`),
		"a message of no object": strings.Replace(good, `{"task_id":"k","data":{"contact_number":"+1"}}`, "7", 1),
	} {
		if _, err := parseCases([]byte(bad)); err == nil || !strings.Contains(err.Error(), "line ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
