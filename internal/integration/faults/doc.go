// Package faults is the fault harness: real processes, killed, frozen and cut off from
// each other, and an auditor that believes none of them. "make faults" runs it, and
// docs/faults.md has the table of what it does.
//
// cmd/faults is the driver, the broker and the producer; cmd/faulthost is the host whose
// processes are broken, the library with its fault points compiled in. Package run has
// the cells and the campaign, parts the processes and the connections between them,
// pulse the time that the machine stood still, collect reads the evidence, audit judges
// it, and virtual has the cells that need hours.
package faults
