// Package jsonobj takes a JSON object apart without interpreting its values.
//
// encoding/json matches names without regard to case, drops names it does not
// know and turns numbers into float64. A message contract shared with producers
// in other languages can have none of that: names are exact here, and a value is
// the very bytes that came.
package jsonobj

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// MaxDepth is how deeply objects and arrays may nest. encoding/json allows
// 10,000, which is an attack and never a task.
const MaxDepth = 64

// Errors of Each.
var (
	ErrNotUTF8   = errors.New("not valid UTF-8")
	ErrNotJSON   = errors.New("not valid JSON")
	ErrNotObject = errors.New("not a JSON object")
	ErrTooDeep   = fmt.Errorf("nested more than %d deep", MaxDepth)
)

// Check reports why b is not one JSON value in UTF-8 nested at most MaxDepth
// deep. It does not quote b.
func Check(b []byte) error {
	switch {
	case !utf8.Valid(b):
		return ErrNotUTF8
	case tooDeep(b):
		return ErrTooDeep
	case !json.Valid(b):
		return ErrNotJSON
	}
	return nil
}

// Each calls field for each member of the object in b, in order, also for a name
// that comes twice. b must have passed Check; the values are slices of b.
func Each(b []byte, field func(name string, value []byte) error) error {
	i := skipSpace(b, 0)
	if i >= len(b) || b[i] != '{' {
		return ErrNotObject
	}
	i = skipSpace(b, i+1)
	for i < len(b) && b[i] != '}' {
		end := skipString(b, i)
		name, err := Unquote(b[i:end])
		if err != nil {
			return err
		}
		i = skipSpace(b, end) // at ':'
		i = skipSpace(b, i+1) // at the value
		end = skipValue(b, i) // behind the value
		value := b[i:end:end] // appending to it cannot reach b
		i = skipSpace(b, end) // at ',' or '}'
		if i < len(b) && b[i] == ',' {
			i = skipSpace(b, i+1)
		}
		if err := field(name, value); err != nil {
			return err
		}
	}
	return nil
}

// Unquote returns the string that a valid JSON string literal stands for.
func Unquote(b []byte) (string, error) {
	if len(b) < 2 || b[0] != '"' {
		return "", errors.New("not a string")
	}
	inner := b[1 : len(b)-1]
	for _, c := range inner {
		if c == '\\' {
			var s string
			err := json.Unmarshal(b, &s)
			return s, err
		}
	}
	return string(inner), nil
}

// IsNull reports whether a value is null.
func IsNull(value []byte) bool { return string(value) == "null" }

// IsString reports whether a value is a string.
func IsString(value []byte) bool { return len(value) > 0 && value[0] == '"' }

// IsObject reports whether a value is an object.
func IsObject(value []byte) bool { return len(value) > 0 && value[0] == '{' }

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// skipString returns the index behind the string that starts at i.
func skipString(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

// skipValue returns the index behind the value that starts at i.
func skipValue(b []byte, i int) int {
	if i >= len(b) {
		return i
	}
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		for depth := 0; i < len(b); {
			switch b[i] {
			case '"':
				i = skipString(b, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
		return i
	}
	for i < len(b) && b[i] != ',' && b[i] != '}' && b[i] != ']' && b[i] > ' ' {
		i++
	}
	return i
}

func tooDeep(b []byte) bool {
	depth := 0
	for i := 0; i < len(b); {
		switch b[i] {
		case '"':
			i = skipString(b, i)
			continue
		case '{', '[':
			if depth++; depth > MaxDepth {
				return true
			}
		case '}', ']':
			depth--
		}
		i++
	}
	return false
}
