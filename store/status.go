package store

// Status of a task. Terminal: completed, failed, cancelled.
type Status string

// Statuses of tasks and runs.
const (
	StatusPending    Status = "pending"
	StatusScheduled  Status = "scheduled"
	StatusHold       Status = "hold"
	StatusProcessing Status = "processing"
	StatusInProgress Status = "in_progress"
	StatusCompleted  Status = "completed"
	StatusFailed     Status = "failed"
	// StatusPartiallyCompleted is a status of runs only.
	StatusPartiallyCompleted Status = "partially_completed"
	StatusCancelled          Status = "cancelled"
)

// Terminal reports whether a task of this status is over.
func (s Status) Terminal() bool {
	switch s {
	case StatusCompleted, StatusFailed, StatusCancelled:
		return true
	}
	return false
}

// Summary of the records a Query matches.
type Summary struct {
	ByStatus map[Status]int
	CostUSD  float64
}

// RunStatus folds the counts into one status of a run.
//
// While a task is open the run is in_progress if a call is up or some tasks have
// ended, else processing if a dial is being made, else pending, scheduled or hold,
// the first of these that any task has. When all have ended it is completed,
// failed or cancelled if all agree, partially_completed if some completed and
// others did not, and failed otherwise. A run without tasks is pending.
func (s Summary) RunStatus() Status {
	n := func(st Status) int { return s.ByStatus[st] }
	ended := n(StatusCompleted) + n(StatusFailed) + n(StatusCancelled)
	active := n(StatusInProgress) + n(StatusProcessing)
	waiting := n(StatusPending) + n(StatusScheduled) + n(StatusHold)
	switch {
	case n(StatusInProgress) > 0, ended > 0 && active+waiting > 0:
		return StatusInProgress
	case active > 0:
		return StatusProcessing
	case n(StatusPending) > 0, ended+waiting == 0:
		return StatusPending
	case n(StatusScheduled) > 0:
		return StatusScheduled
	case n(StatusHold) > 0:
		return StatusHold
	case n(StatusCompleted) == ended:
		return StatusCompleted
	case n(StatusCompleted) > 0:
		return StatusPartiallyCompleted
	case n(StatusCancelled) == ended:
		return StatusCancelled
	}
	return StatusFailed
}
