// Package parts starts the real and scripted parts of the fault harness as processes
// of their own, and breaks them: it kills, freezes and restarts them, and cuts, holds
// or mangles the connections between them. It imports nothing of the library.
//
// It is for Linux: it reads /proc and has the kernel end what it started.
package parts
