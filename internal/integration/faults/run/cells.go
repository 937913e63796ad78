package run

// Cells are the rows of the fault matrix that matter most, by their numbers there, some
// in two forms.
func Cells() []Cell {
	var all []Cell
	for _, some := range [][]Cell{workerCells(), providerCells(), intakeCells(), storeCells(), engineCells(), raceCells()} {
		all = append(all, some...)
	}
	return all
}

// inHand is how many activities a worker has in hand at most: so many dials may be in the
// window in which nobody can know when it is broken.
const inHand = 4

// Names of the processes.
const (
	workerA   = "worker-a"
	workerB   = "worker-b"
	consumer1 = "consumer-1"
)
