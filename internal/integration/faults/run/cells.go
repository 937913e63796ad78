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

// Names of the processes.
const (
	workerA   = "worker-a"
	workerB   = "worker-b"
	consumer1 = "consumer-1"
)
