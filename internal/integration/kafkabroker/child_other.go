//go:build !linux

package kafkabroker

import "syscall"

func childOfTest() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
