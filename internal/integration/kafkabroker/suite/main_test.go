package main

import "testing"

func TestCompare(t *testing.T) {
	for _, c := range []struct {
		want, passed []string
		text         string
	}{
		{[]string{"a", "b/c"}, []string{"b/c", "a"}, ""},
		{[]string{"a", "b"}, []string{"a"}, "b did not run"},
		{[]string{"a"}, []string{"a", "b"}, "b is not in the list"},
	} {
		got := ""
		if err := compare(c.want, c.passed); err != nil {
			got = err.Error()
		}
		if got != c.text {
			t.Errorf("%v, %v: %q, want %q", c.want, c.passed, got, c.text)
		}
	}
}
