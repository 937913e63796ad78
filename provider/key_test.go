package provider_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/superservices/voice/provider"
)

func TestKey(t *testing.T) {
	assert.Equal(t, "order-7/1", provider.Key("order-7", 1))
	assert.Equal(t, "a b?c&d%2F/12", provider.Key("a b?c&d%2F", 12))
}

func TestSplitKey(t *testing.T) {
	taskID, n, ok := provider.SplitKey("order-7/12")
	assert.True(t, ok)
	assert.Equal(t, "order-7", taskID)
	assert.Equal(t, 12, n)

	for _, key := range []string{
		"", "/", "order-7", "order-7/", "/1", "order-7/0", "order-7/-1", "order-7/+1", "order-7/01", "order-7/1 ", " /x",
		"order-7/1/", "order/7/1", "order-7/1.0", "order-7/1e3", "order-7/0x1", "order-7/1_0", "order-7/١",
		"order-7/99999999999999999999",
	} {
		taskID, n, ok := provider.SplitKey(key)
		assert.False(t, ok, key)
		assert.Zero(t, taskID+strings.Repeat("n", n), key)
	}
}

// FuzzSplitKey: what SplitKey takes is what Key makes, and it takes all of that.
func FuzzSplitKey(f *testing.F) {
	for _, key := range []string{"order-7/1", "a/b/1", "/1", "x/007", "x/1\n", "日本/3", ""} {
		f.Add(key, 1)
	}
	f.Fuzz(func(t *testing.T, s string, n int) {
		if taskID, m, ok := provider.SplitKey(s); ok {
			if again := provider.Key(taskID, m); again != s {
				t.Errorf("SplitKey(%q) = %q, %d, which makes the key %q", s, taskID, m, again)
			}
			if taskID == "" || strings.Contains(taskID, "/") || m < 1 {
				t.Errorf("SplitKey(%q) = %q, %d", s, taskID, m)
			}
		}
		if s == "" || strings.Contains(s, "/") || n < 1 {
			return
		}
		taskID, m, ok := provider.SplitKey(provider.Key(s, n))
		if !ok || taskID != s || m != n {
			t.Errorf("SplitKey(Key(%q, %d)) = %q, %d, %t", s, n, taskID, m, ok)
		}
	})
}
