//go:build !voice_mutant

package voicetask_test

import "github.com/superservices/voice/voicetask"

func registerForReplay(r voicetask.WorkflowRegistrar) { voicetask.RegisterWorkflows(r) }
