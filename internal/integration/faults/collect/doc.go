// Package collect reads the evidence of a run from the live parts: the database by
// SELECT, the broker, Temporal's list, and the ledgers of producer and carrier. It
// only reads, and imports nothing of the library.
package collect
