package storetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// plain returns a record with something to change in every slice.
func plain(id string) store.Record {
	return store.Record{
		ID: id, Status: store.StatusInProgress, Reason: "plain",
		Task: json.RawMessage(`{"task":1}`), Result: json.RawMessage(`{"result":1}`),
		Attempts: []store.Attempt{{
			N: 1, Key: provider.Key(id, 1), Provider: "vapi", State: store.AttemptPlaced, Token: "token",
			CallID: "call", OtherCallIDs: []provider.CallID{"other"},
		}},
	}
}

// filled returns a record with every field set, and each to another value; new
// fields of Record and Attempt are filled too.
func filled(id string) store.Record {
	f := filler{at: time.Date(2026, 1, 7, 10, 0, 0, 123456789, time.UTC)}
	var r store.Record
	f.fill(reflect.ValueOf(&r).Elem(), "Record")
	r.ID = id
	return r
}

type filler struct {
	n  int
	at time.Time
}

// fill sets v, found under path, to a value not used before.
func (f *filler) fill(v reflect.Value, path string) {
	f.n++
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		f.at = f.at.Add(time.Hour + 1001*time.Microsecond)
		*x = f.at
		return
	case *json.RawMessage:
		*x = json.RawMessage(fmt.Sprintf(`{"path":%q,"n":%d}`, path, f.n))
		return
	case *store.Status:
		*x = store.StatusInProgress
		return
	case *store.AttemptState:
		*x = store.AttemptPlaced
		return
	case *provider.Outcome:
		*x = provider.OutcomeNoAnswer
		return
	case *provider.Kind:
		*x = provider.KindRateLimited
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("%s %d", path, f.n))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(f.n))
	case reflect.Float64:
		v.SetFloat(float64(f.n) + 0.0625)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			f.fill(v.Index(i), fmt.Sprintf("%s[%d]", path, i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i), path+"."+v.Type().Field(i).Name)
		}
	default:
		panic("storetest: cannot fill " + path + " of type " + v.Type().String())
	}
}

// kept are the fields that the store itself sets.
var kept = []string{".Version", ".CreatedAt", ".UpdatedAt"}

// compare adds what differs between two records but for the fields in kept.
func (p *problems) compare(what string, want, got store.Record) {
	p.diff(what, "", reflect.ValueOf(want), reflect.ValueOf(got), kept)
}

// same adds what differs in any field.
func (p *problems) same(what string, want, got store.Record) {
	p.diff(what, "", reflect.ValueOf(want), reflect.ValueOf(got), nil)
}

func (p *problems) diff(what, path string, want, got reflect.Value, skip []string) {
	if slices.Contains(skip, path) {
		return
	}
	switch w := want.Interface().(type) {
	case time.Time:
		if g := got.Interface().(time.Time); !sameTime(w, g) {
			p.addf("%s: %s: got time %v, want %v, in UTC and to the microsecond", what, path, g, w)
		}
		return
	case json.RawMessage:
		if g := got.Interface().(json.RawMessage); !sameJSON(w, g) {
			p.addf("%s: %s: got JSON %.200s, want %.200s", what, path, g, w)
		}
		return
	}
	switch want.Kind() {
	case reflect.Struct:
		for i := range want.NumField() {
			p.diff(what, path+"."+want.Type().Field(i).Name, want.Field(i), got.Field(i), skip)
		}
	case reflect.Slice:
		if want.Len() != got.Len() {
			p.addf("%s: %s: got %d elements, want %d", what, path, got.Len(), want.Len())
			return
		}
		for i := range want.Len() {
			p.diff(what, fmt.Sprintf("%s[%d]", path, i), want.Index(i), got.Index(i), skip)
		}
	default:
		if !want.Equal(got) {
			p.addf("%s: %s: got %#v, want %#v", what, path, got.Interface(), want.Interface())
		}
	}
}

func sameTime(want, got time.Time) bool {
	if want.IsZero() || got.IsZero() {
		return want.IsZero() && got.IsZero()
	}
	return want.Sub(got).Abs() < time.Microsecond && got.Location() == time.UTC
}

// sameJSON compares by meaning, but numbers by their digits.
func sameJSON(want, got json.RawMessage) bool {
	if bytes.Equal(want, got) || len(want) == 0 || len(got) == 0 {
		return len(want) == len(got)
	}
	w, err := decode(want)
	if err != nil {
		panic("storetest: " + err.Error())
	}
	g, err := decode(got)
	return err == nil && reflect.DeepEqual(w, g)
}

func decode(text json.RawMessage) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err
}

// scribble changes everything r refers to, in place.
func scribble(r store.Record) {
	for _, b := range [][]byte{r.Task, r.Result} {
		for i := range b {
			b[i] = ' '
		}
	}
	for i := range r.Attempts {
		for j := range r.Attempts[i].OtherCallIDs {
			r.Attempts[i].OtherCallIDs[j] = "scribbled"
		}
		r.Attempts[i].Token = "scribbled"
	}
}

// ids returns the IDs of records, for messages and comparisons.
func ids(records []store.Record) string {
	var all []string
	for _, r := range records {
		all = append(all, r.ID)
	}
	return strings.Join(all, " ")
}
