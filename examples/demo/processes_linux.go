package main

import (
	"runtime"
	"syscall"
)

// The kernel kills the children when the thread that started them ends, even if
// the demo had no chance to: it must be the thread of main, which lives as long as
// the process.
func init() { runtime.LockOSThread() }

func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
