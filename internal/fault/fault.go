// Package fault has the points at which the fault harness breaks a process.
//
// A line such as
//
//	if err := fault.Point(ctx, fault.FenceReserved); err != nil { ... }
//
// is nothing in an ordinary build: Point is an empty function that the compiler
// inlines away. Built with the tag voice_faults, a point does what the process's
// environment says:
//
//	VOICE_FAULT=place.accepted:kill:3,event.stored:sleep:500ms:*
//
// kills the process with SIGKILL when it passes place.accepted for the third time,
// and delays every event. The actions are kill, stop (SIGSTOP, whoever started the
// process sends the SIGCONT), sleep:<duration>, err and note, which only leaves
// word. The number says at which pass; without one it is the first, "*" is every one.
//
// A process that runs takes more of the same, a line each, from the file with the name of
// its process id in the directory VOICE_FAULT_ORDERS; passes are counted from then on.
//
// Before it acts a point appends a line of JSON to the file in VOICE_FAULT_LOG, on
// disk when it returns, so that the harness sees which process was hit and where.
// The names are those of the steps in docs/faults.md.
package fault

// Points, in the order in which a task passes them.
const (
	KafkaPolled    = "kafka.polled"    // K1: a record was received
	KafkaDecoded   = "kafka.decoded"   // K2: it is a task
	SubmitRow      = "submit.row"      // the pending row is written
	SubmitSent     = "submit.sent"     // K3: the server has the workflow, its answer is not read (the harness's own client)
	SubmitAccepted = "submit.accepted" // K4: the engine has the task
	KafkaBuried    = "kafka.buried"    // the brokers have the dead letter
	KafkaStored    = "kafka.stored"    // K5: the watermark is handed to the client

	ExecuteBegun    = "execute.begun"    // D1: the activity runs
	FenceReserved   = "fence.reserved"   // D2: the row says reserved
	FenceConfirmed  = "fence.confirmed"  // Temporal says that we are current
	FenceSending    = "fence.sending"    // D3: the row says sending, nothing is sent
	PlaceBegun      = "place.begun"      // past the send budget's check, nothing is sent
	PlaceSent       = "place.sent"       // D4: the request is written, and about to leave its buffer
	PlaceAccepted   = "place.accepted"   // D5: the answer has begun to come, and is not read
	PlaceReplied    = "place.replied"    // D6: the answer is read
	FencePlaced     = "fence.placed"     // D7: the row has the call's id
	ExecuteReturned = "execute.returned" // D8: the activity is about to return

	EventVerified  = "event.verified"  // C2: a genuine event, nothing written
	EventStored    = "event.stored"    // the row has it
	EventSignalled = "event.signalled" // C3: the workflow has it
	EndBegun       = "end.begun"       // E1: hanging up
	RecordBegun    = "record.begun"    // R1: the result is to be written
	RecordWritten  = "record.written"  // R2, R3: it is written, the activity has not returned
)
