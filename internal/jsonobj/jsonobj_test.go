package jsonobj_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/internal/jsonobj"
)

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want error
	}{
		"an object":                {`{"a":1}`, nil},
		"a number":                 {`1`, nil},
		"space around it":          {" \t\r\n{} \n", nil},
		"nothing":                  {``, jsonobj.ErrNotJSON},
		"two values":               {`{} {}`, jsonobj.ErrNotJSON},
		"a trailing comma":         {`{"a":1,}`, jsonobj.ErrNotJSON},
		"a byte order mark":        {"\ufeff{}", jsonobj.ErrNotJSON},
		"NaN":                      {`{"a":NaN}`, jsonobj.ErrNotJSON},
		"a lone quote":             {`"`, jsonobj.ErrNotJSON},
		"an open string":           {`{"a`, jsonobj.ErrNotJSON},
		"an escape at the end":     {`"\`, jsonobj.ErrNotJSON},
		"not UTF-8":                {"{\"a\":\"\xff\"}", jsonobj.ErrNotUTF8},
		"not UTF-8 and no JSON":    {"\xff", jsonobj.ErrNotUTF8},
		"64 deep":                  {nested(64), nil},
		"65 deep":                  {nested(65), jsonobj.ErrTooDeep},
		"65 deep, objects":         {strings.Repeat(`{"a":`, 65) + "1" + strings.Repeat("}", 65), jsonobj.ErrTooDeep},
		"65 wide":                  {"[" + strings.Repeat("[],", 64) + "[]]", nil},
		"brackets in a string":     {`"` + strings.Repeat("[", 100) + `"`, nil},
		"a quote escaped in a key": {`{"\"[[[":1}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorIs(t, errOrNil(jsonobj.Check([]byte(c.in))), errOrNil(c.want))
		})
	}
}

// errOrNil makes nil comparable by ErrorIs.
func errOrNil(err error) error {
	if err == nil {
		return errNone
	}
	return err
}

var errNone = errors.New("no error")

func nested(depth int) string {
	return strings.Repeat("[", depth) + strings.Repeat("]", depth)
}

func TestEachKeepsOrderDuplicatesAndBytes(t *testing.T) {
	const in = ` { "a" : 1e999 , "b":{ "x" : [ 1 , "}" ] } ,"a":"\"}{", "\u0063":null,"":[]}  `
	type member struct{ name, value string }
	var got []member
	require.NoError(t, jsonobj.Each([]byte(in), func(name string, value []byte) error {
		got = append(got, member{name, string(value)})
		return nil
	}))
	require.Equal(t, []member{
		{"a", `1e999`}, {"b", `{ "x" : [ 1 , "}" ] }`}, {"a", `"\"}{"`}, {"c", `null`}, {"", `[]`},
	}, got)
}

func TestEachRefusesWhatIsNoObject(t *testing.T) {
	for _, in := range []string{``, `null`, `[]`, `"{}"`, `1`, ` `} {
		err := jsonobj.Each([]byte(in), func(string, []byte) error { return nil })
		require.ErrorIs(t, err, jsonobj.ErrNotObject, in)
	}
}

func TestEachStopsAtTheFirstError(t *testing.T) {
	stop, calls := errors.New("stop"), 0
	err := jsonobj.Each([]byte(`{"a":1,"b":2}`), func(string, []byte) error { calls++; return stop })
	require.ErrorIs(t, err, stop)
	require.Equal(t, 1, calls)
}

func TestAppendingToAValueLeavesTheMessageAlone(t *testing.T) {
	in := []byte(`{"a":1,"b":2}`)
	require.NoError(t, jsonobj.Each(in, func(_ string, value []byte) error {
		_ = append(value, "overwritten"...)
		return nil
	}))
	require.Equal(t, `{"a":1,"b":2}`, string(in))
}

func TestUnquote(t *testing.T) {
	for in, want := range map[string]string{
		`""`:                  "",
		`"plain"`:             "plain",
		`"ü"`:                 "ü",
		`"a\"b\\c\/\n\u00fc"`: "a\"b\\c/\nü",
		`"\ud83d\ude00"`:      "😀",
		`"\ud83d"`:            "\ufffd",
	} {
		got, err := jsonobj.Unquote([]byte(in))
		require.NoError(t, err, in)
		require.Equal(t, want, got, in)
	}
	for _, in := range []string{``, `"`, `1`, `null`, `{}`} {
		_, err := jsonobj.Unquote([]byte(in))
		require.Error(t, err, in)
	}
}

func TestKindsOfValues(t *testing.T) {
	for in, want := range map[string][3]bool{ // null, string, object
		`null`: {true, false, false}, `""`: {false, true, false}, `{}`: {false, false, true},
		`[]`: {}, `0`: {}, `true`: {}, ``: {}, `nul`: {},
	} {
		b := []byte(in)
		require.Equal(t, want, [3]bool{jsonobj.IsNull(b), jsonobj.IsString(b), jsonobj.IsObject(b)}, in)
	}
}

// FuzzEach holds Each against encoding/json: what one takes for an object the
// other does too, with the same names and the same bytes; of two members of one
// name the last one wins in both.
func FuzzEach(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":1}`, ` { "a" : [ 1 , { "b" : "}" } ] , "c" : "\"" } `, `{"a":1,"a":2}`, `{"\u0061":1}`,
		`{"a":1e999,"b":-0,"c":12345678901234567890}`, `[1]`, `null`, `"{"`, `{"a":"\\"}`, `{"a":{}}x`, "\ufeff{}", `{"":""}`,
		`{"a":true,"b":false,"c":null}`, "{\"a\"\n:\t1\r}", `{"\ud800":1}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		before := string(in)
		if jsonobj.Check(in) != nil {
			if json.Valid(in) && !strings.ContainsAny(before, "[{") && strings.ToValidUTF8(before, "") == before {
				t.Fatalf("Check refuses %q", in)
			}
			return
		}
		if !json.Valid(in) {
			t.Fatalf("Check lets %q pass", in)
		}
		got := map[string]json.RawMessage{}
		err := jsonobj.Each(in, func(name string, value []byte) error {
			got[name] = json.RawMessage(value)
			return nil
		})
		if string(in) != before {
			t.Fatalf("Each changed its input: %q", before)
		}
		var want map[string]json.RawMessage
		if json.Unmarshal(in, &want) != nil || want == nil { // null goes into a map, and is no object
			require.ErrorIs(t, err, jsonobj.ErrNotObject)
			return
		}
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

// FuzzUnquote holds Unquote against encoding/json.
func FuzzUnquote(f *testing.F) {
	for _, seed := range []string{`""`, `"a"`, `"\u00fc"`, `"\ud800\udc00"`, `"\ud800"`, `"\\"`, `"\"`, `1`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var want string
		if jsonobj.Check(in) != nil || !jsonobj.IsString(in) || json.Unmarshal(in, &want) != nil {
			return
		}
		got, err := jsonobj.Unquote([]byte(strings.TrimSpace(string(in))))
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}
