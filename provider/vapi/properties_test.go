package vapi

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// The list of all properties that can be sent is what the contract test goes by: one
// that is added here and not there would be sent unchecked.
func TestRequestPropertiesAreListed(t *testing.T) {
	raw, err := os.ReadFile("testdata/request-properties.txt")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Fields(string(raw))
	got := append(properties("", reflect.TypeFor[createCall]()), properties("assistantOverrides.", reflect.TypeFor[overrides]())...)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// properties are the names of a request's fields, those of its objects included.
func properties(prefix string, of reflect.Type) (all []string) {
	for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
		of = of.Elem()
	}
	if of.Kind() != reflect.Struct {
		return nil
	}
	for i := range of.NumField() {
		name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
		all = append(append(all, prefix+name), properties(prefix+name+".", of.Field(i).Type)...)
	}
	return all
}
