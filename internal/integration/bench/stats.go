package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// ratios are of pairs that ran right after each other.
type ratios []float64

// median and the order statistics around it that hold it with at least 95 %
// confidence, whatever the distribution (for 9 pairs the 2nd and the 8th).
func (r ratios) median() (mid, low, high float64) {
	s := slices.Sorted(slices.Values(r))
	n := len(s)
	mid = s[n/2]
	if n%2 == 0 {
		mid = (s[n/2-1] + s[n/2]) / 2
	}
	k := confidenceRank(n)
	return mid, s[k], s[n-1-k]
}

// confidenceRank is the largest k for which the k-th smallest and k-th largest of
// n values hold the median with at least 95 %.
func confidenceRank(n int) int {
	tail, term := 0.0, 1.0
	for range n {
		term /= 2
	}
	k := 0
	for i := 0; i < n/2; i++ {
		tail += term
		if 2*tail > 0.05 {
			break
		}
		k = i + 1
		term = term * float64(n-i) / float64(i+1)
	}
	return max(k, 0)
}

func (r ratios) String() string {
	mid, low, high := r.median()
	return fmt.Sprintf("%.3f (95 %%: %.3f to %.3f, %d pairs)", mid, low, high, len(r))
}

// cpuSeconds is the user and system time of a process so far.
func cpuSeconds(pid int) (float64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, ok := strings.Cut(string(raw), ") ") // the name may hold spaces
	fields := strings.Fields(rest)
	const utime, stime = 11, 12 // counted from the state, the field behind the name
	if !ok || len(fields) <= stime {
		return 0, fmt.Errorf("bench: /proc/%d/stat has another form than expected", pid)
	}
	ticks := 0.0
	for _, i := range []int{utime, stime} {
		n, err := strconv.ParseFloat(fields[i], 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	const ticksPerSecond = 100 // USER_HZ, fixed on Linux
	return ticks / ticksPerSecond, nil
}
