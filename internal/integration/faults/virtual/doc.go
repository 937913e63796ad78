// Package virtual has the cells of the fault harness that need hours, zones or every
// order of events: they are tests in virtual time, which the harness runs and counts.
package virtual
