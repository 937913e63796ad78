package parts

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

func ownGroup(as *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: as, Pdeathsig: syscall.SIGKILL}
}

// starters run on one thread that lives as long as the harness: the kernel kills the
// children when the thread that started them ends, even if the harness had no chance to.
var starters = sync.OnceValue(func() chan<- func() {
	starts := make(chan func())
	go func() {
		runtime.LockOSThread()
		for start := range starts {
			start()
		}
	}()
	return starts
})

func startOnOwnThread(cmd *exec.Cmd) error {
	started := make(chan error, 1)
	starters() <- func() { started <- cmd.Start() }
	return <-started
}
