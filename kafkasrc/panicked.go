package kafkasrc

import (
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/superservices/voice/voicetask"
)

// A panicked is a panic of the host's code as an error: whose it was, of which type and in which
// function. What the panic said is not kept, since it may be somebody's number, and nothing is
// unwrapped: an error that was thrown is no answer.
type panicked struct {
	whose, kind string
	calls       []runtime.Frame // the innermost first
}

// caught makes a value that recover returned an error. It is called by the deferred function
// itself.
func caught(whose string, value any) *panicked {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	p := &panicked{whose: whose, kind: fmt.Sprintf("%T", value)}
	for panicking, more := false, true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		switch {
		case !panicking:
			panicking = f.Function == "runtime.gopanic" // above it are those who recover
		case len(p.calls) == 0 && strings.HasPrefix(f.Function, "runtime."): // throws for whoever divided by zero
		default:
			p.calls = append(p.calls, f)
		}
	}
	return p
}

func (p *panicked) Error() string {
	where := "an unknown function"
	if len(p.calls) > 0 {
		where = p.calls[0].Function
	}
	return fmt.Sprintf("kafkasrc: %s panicked with a %s in %s", p.whose, p.kind, where)
}

// stack lists the calls without their arguments, which may be the record's.
func (p *panicked) stack() string {
	var out strings.Builder
	for _, f := range p.calls {
		fmt.Fprintf(&out, "%s\n\t%s:%d\n", f.Function, f.File, f.Line)
	}
	return out.String()
}

// speak has an error of the host's do what it will be asked to do later, where its panic is caught: a
// nil pointer of the host's own type is an error too, and panics when it is to say which.
func speak(err error) {
	if err != nil {
		_ = err.Error()
		_ = errors.Is(err, voicetask.ErrInvalidTask)
	}
}
