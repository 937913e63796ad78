package storetest

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"
)

// filled sets every field to a value of its own, so that none can be forgotten or
// mixed up with another.
func TestFilled(t *testing.T) {
	seen := map[string]string{}
	var walk func(v reflect.Value, path string)
	walk = func(v reflect.Value, path string) {
		if v.IsZero() {
			t.Errorf("%s is zero", path)
		}
		switch {
		case v.Type() == reflect.TypeFor[time.Time]() || v.Kind() == reflect.String && v.Type() == reflect.TypeFor[string]():
			value := v.Interface()
			if text, ok := value.(time.Time); ok {
				value = text.String()
			}
			if other, ok := seen[value.(string)]; ok {
				t.Errorf("%s and %s are both %v", path, other, value)
			}
			seen[value.(string)] = path
		case v.Kind() == reflect.Struct:
			for i := range v.NumField() {
				walk(v.Field(i), path+"."+v.Type().Field(i).Name)
			}
		case v.Kind() == reflect.Slice && v.Type() != reflect.TypeFor[json.RawMessage]():
			for i := range v.Len() {
				walk(v.Index(i), path+"[]")
			}
		}
	}
	walk(reflect.ValueOf(filled("task-1")), "Record")
	if len(seen) < 20 {
		t.Errorf("only %d fields: %v", len(seen), slices.Sorted(maps.Keys(seen)))
	}
}
