package carrier

// Result is what a callee does.
type Result string

// Results of a script.
const (
	ResultAnswer    Result = "answer"
	ResultEndless   Result = "endless"    // answers and never hangs up
	ResultVoicemail Result = "voicemail"  // a machine answers
	ResultNoAnswer  Result = "no_answer"  // rings until somebody gives up
	ResultBusy      Result = "busy"       // 486
	ResultDeclined  Result = "declined"   // 603
	ResultBadNumber Result = "bad_number" // 404: no ring
	ResultFault     Result = "fault"      // 503: no ring
)

// Script says what becomes of the dials to one number, and what its platform
// does besides. First is for the first dial only, where it differs.
type Script struct {
	Result      Result
	First       Result
	RateLimited bool // the platform is too busy for the first request for the number, and says so
	RefuseBad   bool // the platform itself refuses the number as malformed
}

func (s Script) at(dial int) Script {
	if dial == 1 && s.First != "" {
		s.Result = s.First
	}
	return s
}

// ScriptFor reads the last two digits of a number; a number of any other ending
// answers.
//
//	03 declines      04 does not exist        05 the platform calls it malformed
//	29 rate limited once, then answers        50 a fault once, then answers
//	51 a fault each time                      80 never answers
//	86 busy          88 voicemail             99 answers and never hangs up
func ScriptFor(number string) Script {
	if len(number) < 2 {
		return Script{Result: ResultBadNumber}
	}
	switch number[len(number)-2:] {
	case "03":
		return Script{Result: ResultDeclined}
	case "04":
		return Script{Result: ResultBadNumber}
	case "05":
		return Script{Result: ResultBadNumber, RefuseBad: true}
	case "29":
		return Script{Result: ResultAnswer, RateLimited: true}
	case "50":
		return Script{Result: ResultAnswer, First: ResultFault}
	case "51":
		return Script{Result: ResultFault}
	case "80":
		return Script{Result: ResultNoAnswer}
	case "86":
		return Script{Result: ResultBusy}
	case "88":
		return Script{Result: ResultVoicemail}
	case "99":
		return Script{Result: ResultEndless}
	}
	return Script{Result: ResultAnswer}
}
