package voicetask

import (
	"strings"

	"github.com/superservices/voice/store"
)

// ownerDirect begins store.Record.Owner of a task that a Direct carries out.
const ownerDirect = "direct:"

// directOwned reports that a task is carried out without Temporal.
func directOwned(r store.Record) bool { return strings.HasPrefix(r.Owner, ownerDirect) }

// engineKind names an owner without its process.
func engineKind(owner string) string {
	kind, _, _ := strings.Cut(owner, ":")
	return kind
}
