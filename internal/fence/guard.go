package fence

// Guards: what a transition asks for. Each has a name, so that the search of all
// interleavings can do without it and find what it is there for.
const (
	guardClosed    = "a task that has ended is not dialled"
	guardCancelled = "a task that is being cancelled is not dialled"
	guardHeld      = "a task on hold is not dialled"
	guardNext      = "dials are numbered without a gap"
	guardSettled   = "the dial before has ended, and not unknown"
	guardSends     = "a dial is sent three times at most"
	guardToken     = "only the token's holder moves on"
	guardFirstID   = "the first call id stands"
	guardOutcome   = "the first outcome but unknown stands"
	guardListed    = "the table lists the move"
)

// guardOwner is no guard of the fence: the search holds without it, too. It keeps two
// engines from doing the same work.
const guardOwner = "one engine carries out a task"

// off is the one guard that a test of this package has switched off.
var off string

func holds(guard string) bool { return off == "" || off != guard }
