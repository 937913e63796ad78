package voicetask

import "strings"

// ownerDirect begins store.Record.Owner of a task that a Direct carries out.
const ownerDirect = "direct:"

// engineKind names an owner without its process.
func engineKind(owner string) string {
	kind, _, _ := strings.Cut(owner, ":")
	return kind
}
