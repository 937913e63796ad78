package collect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/superservices/voice/internal/integration/faults/audit"
)

// Lines reads a file of JSON, one object a line. A line that is still being written is
// left out; a file that is not there yet is empty.
func Lines[T any](file string) ([]T, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []T
	for line := range bytes.Lines(text) {
		if line[len(line)-1] != '\n' {
			break
		}
		var one T
		if err := json.Unmarshal(line, &one); err != nil {
			return nil, fmt.Errorf("collect: %s: %w", file, err)
		}
		all = append(all, one)
	}
	return all, nil
}

// Live counts the calls of a ledger that have not ended.
func Live(entries []audit.Entry) int {
	n := 0
	for _, legs := range audit.Legs(entries) {
		for _, l := range legs {
			if l.Ended.IsZero() {
				n++
			}
		}
	}
	return n
}
