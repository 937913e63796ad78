//go:build !voice_faults || !linux

package fault

import "context"

// Armed reports whether this binary can be made to fail. It cannot.
const Armed = false

// Point does nothing, and the compiler leaves it out.
func Point(context.Context, string) error { return nil }
