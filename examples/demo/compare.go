package main

import (
	"bytes"
	"encoding/json"
	"reflect"
	"time"
)

// same tells an empty value from none.
func same(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

// changed names a field of the message that the stored task has not, or has
// otherwise; "" if there is none. A null and an empty text are one.
func changed(message, stored []byte) string {
	want, err1 := fields(message)
	got, err2 := fields(stored)
	if err1 != nil || err2 != nil {
		return "not JSON"
	}
	for name, w := range want {
		g := got[name]
		switch name {
		case "not_before", "not_after": // kept as a moment
			if !sameMoment(w, g) {
				return name
			}
			continue
		}
		if w == nil && (g == nil || g == "") {
			continue
		}
		if !reflect.DeepEqual(w, g) {
			return name
		}
	}
	return ""
}

func fields(b []byte) (m map[string]any, err error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return m, d.Decode(&m)
}

func sameMoment(a, b any) bool {
	x, okX := a.(string)
	y, okY := b.(string)
	at, err1 := time.Parse(time.RFC3339, x)
	bt, err2 := time.Parse(time.RFC3339, y)
	return okX && okY && err1 == nil && err2 == nil && at.Equal(bt)
}
