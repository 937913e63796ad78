package kafkabroker

import "syscall"

// childOfTest ends with the test process, however that ends, and not by the terminal's ctrl-C.
func childOfTest() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
