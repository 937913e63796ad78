package audit

import (
	"bytes"
	"slices"
	"strconv"
	"time"
)

// Headers of a dead letter that say which record it was made of.
const (
	headerPartition = "dlq.original.partition"
	headerOffset    = "dlq.original.offset"
)

type place struct {
	partition int32
	offset    int64
}

// origin reads where a dead letter came from.
func (l Letter) origin() (place, bool) {
	partition, err1 := strconv.ParseInt(l.header(headerPartition), 10, 32)
	offset, err2 := strconv.ParseInt(l.header(headerOffset), 10, 64)
	return place{int32(partition), offset}, err1 == nil && err2 == nil
}

func (l Letter) header(name string) string {
	for i := len(l.Headers) - 1; i >= 0; i-- {
		if l.Headers[i][0] == name {
			return l.Headers[i][1]
		}
	}
	return ""
}

// deadLetters checks I5: each acknowledged message that is no task has its dead letter,
// byte for byte, and no task has one.
func (a *auditor) deadLetters() {
	letters := map[place][]Letter{}
	for _, l := range a.seen.Letters {
		at, ok := l.origin()
		if !ok {
			a.find(DeadLetter, "a dead letter does not say where it came from")
			continue
		}
		letters[at] = append(letters[at], l)
	}
	wanted := map[place]bool{}
	for _, m := range a.seen.Messages {
		if m.Task != "" {
			continue
		}
		for _, k := range a.acked[m.Index] {
			at := place{k.Partition, k.Offset}
			wanted[at] = true
			a.deadLetter(m, at, letters[at])
		}
	}
	for _, s := range a.seen.Log { // written without an acknowledgement
		if at := (place{s.Partition, s.Offset}); len(letters[at]) > 0 && !wanted[at] && a.isInvalid(s.Value) {
			wanted[at] = true
		}
	}
	for at, all := range letters {
		if !wanted[at] {
			a.find(DeadLetter, "%d dead letters of a message that was fine, %d/%d", len(all), at.partition, at.offset)
		}
	}
}

// isInvalid reports whether a stored value is that of a message which is no task.
func (a *auditor) isInvalid(value []byte) bool {
	return slices.ContainsFunc(a.seen.Messages, func(m Message) bool { return m.Task == "" && bytes.Equal(m.Value, value) })
}

func (a *auditor) deadLetter(m Message, at place, letters []Letter) {
	if len(letters) == 0 {
		a.Lost++
		a.find(DeadLetter, "message %d (%d/%d) is no task, and there is no dead letter", m.Index, at.partition, at.offset)
		return
	}
	if most := 1 + a.seen.Crashes; len(letters) > most {
		a.find(DeadLetter, "message %d (%d/%d): %d dead letters, at most %d are explained", m.Index, at.partition, at.offset, len(letters), most)
	}
	for _, l := range letters {
		own := l.Headers[:min(len(m.Headers), len(l.Headers))]
		if !bytes.Equal(l.Value, m.Value) || !bytes.Equal(l.Key, m.Key) || !slices.Equal(own, m.Headers) {
			a.find(DeadLetter, "message %d (%d/%d): its dead letter differs from what was sent", m.Index, at.partition, at.offset)
		}
	}
}

// offsets checks I6: at any time, everything below a committed offset was settled, that
// is, had its row or its dead letter.
func (a *auditor) offsets() {
	settled := a.settledAt()
	log := map[int32][]Stored{}
	for _, s := range a.seen.Log {
		log[s.Partition] = append(log[s.Partition], s)
	}
	for p := range log {
		slices.SortFunc(log[p], func(x, y Stored) int { return int(x.Offset - y.Offset) })
	}
	checked := map[int32]int64{} // everything below was settled at an earlier sample, and stays so
	for _, sample := range a.seen.Offsets {
		for p, committed := range sample.Offsets {
			end := int64(0)
			if n := len(log[p]); n > 0 {
				end = log[p][n-1].Offset + 1
			}
			if committed > end {
				a.find(Offsets, "partition %d: offset %d is committed, and the log ends at %d", p, committed, end)
			}
			for _, s := range log[p] {
				if s.Offset < checked[p] || s.Offset >= committed {
					continue
				}
				// What was never settled is another invariant's.
				if at, ok := settled[place{p, s.Offset}]; ok && at.After(sample.At) {
					a.find(Offsets, "partition %d: offset %d was committed at %s, before the record at %d was settled",
						p, committed, sample.At.Format("15:04:05.000"), s.Offset)
				}
			}
			checked[p] = max(checked[p], committed)
		}
	}
}

// settledAt tells for each record of the log when its task had a row, or it a dead
// letter; one that never was is missing.
func (a *auditor) settledAt() map[place]time.Time {
	byValue := map[string]string{}
	for _, m := range a.seen.Messages {
		if m.Task != "" {
			byValue[string(m.Value)] = m.Task
		}
	}
	letters := map[place]time.Time{}
	for _, l := range a.seen.Letters {
		if at, ok := l.origin(); ok {
			if known, twice := letters[at]; !twice || l.At.Before(known) {
				letters[at] = l.At
			}
		}
	}
	all := map[place]time.Time{}
	for _, s := range a.seen.Log {
		at := place{s.Partition, s.Offset}
		if task := byValue[string(s.Value)]; task != "" {
			if moves := a.moves[task]; len(moves) > 0 {
				all[at] = moves[0].At // of its making
			}
			continue
		}
		if when, ok := letters[at]; ok {
			all[at] = when
		}
	}
	return all
}
