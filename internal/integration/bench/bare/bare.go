// Package bare is what the library is measured against: the same durable steps,
// written by hand on Temporal's SDK and nothing else. It imports nothing of the
// library. What it leaves out is what the library is for: the fence's rules,
// policies, redials, hold, cancel, deadlines.
package bare

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// Store is the store as the bare worker sees it.
type Store interface {
	Create(ctx context.Context, id string, body []byte) error
	Get(ctx context.Context, id string) ([]byte, error)
	Update(ctx context.Context, id string, body []byte) error
}

// Phone places a call and says its id; ended is told when it has ended.
type Phone interface {
	Place(ctx context.Context, key string, ended func()) (string, error)
}

// Task is the input, with a body of the same size as the library's.
type Task struct {
	ID   string          `json:"task_id"`
	Body json.RawMessage `json:"body"`
}

// Call is what the activity answers and the signal carries.
type Call struct {
	Key       string    `json:"key"`
	ID        string    `json:"id"`
	Status    string    `json:"status"`
	Outcome   string    `json:"outcome,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	EndedAt   time.Time `json:"ended_at"`
}

// Result is what is recorded.
type Result struct {
	TaskID  string `json:"task_id"`
	Outcome string `json:"outcome"`
	Call    Call   `json:"call"`
}

type row struct {
	Task   Task   `json:"task"`
	State  string `json:"state"`
	Token  string `json:"token"`
	CallID string `json:"call_id"`
	Result Result `json:"result"`
}

// Side is the bare worker with what it needs.
type Side struct {
	Client client.Client
	Queue  string
	Store  Store
	Phone  Phone
}

// Register registers workflow and activities.
func (s *Side) Register(w worker.Registry) {
	w.RegisterWorkflowWithOptions(callWorkflow, workflow.RegisterOptions{Name: "bare_call"})
	w.RegisterActivityWithOptions(s.execute, activity.RegisterOptions{Name: "bare_execute"})
	w.RegisterActivityWithOptions(s.record, activity.RegisterOptions{Name: "bare_record"})
}

// Run carries out one task from its pending row to its recorded result.
func (s *Side) Run(ctx context.Context, t Task) error {
	body, err := json.Marshal(row{Task: t, State: "pending"})
	if err != nil {
		return err
	}
	if err := s.Store.Create(ctx, t.ID, body); err != nil {
		return err
	}
	run, err := s.Client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: "bare-" + t.ID, TaskQueue: s.Queue, StaticSummary: "a call"}, "bare_call", t)
	if err != nil {
		return err
	}
	var res Result
	if err := run.Get(ctx, &res); err != nil {
		return err
	}
	_, err = s.Store.Get(ctx, t.ID)
	return err
}

func callWorkflow(ctx workflow.Context, t Task) (Result, error) {
	signals := workflow.GetSignalChannel(ctx, "ended")
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 15 * time.Minute, HeartbeatTimeout: 10 * time.Second,
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: 10 * time.Second, MaximumInterval: time.Minute},
	})
	var call Call
	if err := workflow.ExecuteActivity(ctx, "bare_execute", t).Get(ctx, &call); err != nil {
		return Result{}, err
	}
	timer, stop := workflow.WithCancel(ctx)
	selector := workflow.NewSelector(ctx)
	selector.AddReceive(signals, func(c workflow.ReceiveChannel, _ bool) { c.Receive(ctx, &call) })
	selector.AddFuture(workflow.NewTimer(timer, 2*time.Minute), func(workflow.Future) {})
	selector.Select(ctx)
	stop()
	res := Result{TaskID: t.ID, Outcome: call.Outcome, Call: call}
	return res, workflow.ExecuteActivity(ctx, "bare_record", t, res).Get(ctx, nil)
}

// execute makes the library's store calls (one read, three writes) and its one
// direct heartbeat.
func (s *Side) execute(ctx context.Context, t Task) (Call, error) {
	var r row
	if err := s.read(ctx, t.ID, &r); err != nil {
		return Call{}, err
	}
	r.State, r.Token = "reserved", activity.GetInfo(ctx).ActivityID
	if err := s.write(ctx, t.ID, r); err != nil {
		return Call{}, err
	}
	if err := s.Client.RecordActivityHeartbeat(ctx, activity.GetInfo(ctx).TaskToken, r.Token); err != nil {
		return Call{}, err
	}
	r.State = "sending"
	if err := s.write(ctx, t.ID, r); err != nil {
		return Call{}, err
	}
	key := t.ID + "/1"
	id, err := s.Phone.Place(ctx, key, func() { s.deliver(t.ID, key) })
	if err != nil {
		return Call{}, err
	}
	r.State, r.CallID = "placed", id
	if err := s.write(ctx, t.ID, r); err != nil {
		return Call{}, err
	}
	return Call{Key: key, ID: id, Status: "queued", CreatedAt: time.Now()}, nil
}

// deliver is the webhook: the row, then the signal.
func (s *Side) deliver(id, key string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var r row
	if err := s.read(ctx, id, &r); err != nil {
		return
	}
	r.State = "ended"
	if err := s.write(ctx, id, r); err != nil {
		return
	}
	call := Call{Key: key, ID: r.CallID, Status: "ended", Outcome: "completed", CreatedAt: time.Now(), EndedAt: time.Now()}
	_ = s.Client.SignalWorkflow(ctx, "bare-"+id, "", "ended", call) // the timer ends the wait otherwise, and the batch shows it
}

func (s *Side) record(ctx context.Context, t Task, res Result) error {
	var r row
	if err := s.read(ctx, t.ID, &r); err != nil {
		return err
	}
	r.State, r.Result = "completed", res
	return s.write(ctx, t.ID, r)
}

func (s *Side) read(ctx context.Context, id string, r *row) error {
	body, err := s.Store.Get(ctx, id)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, r); err != nil {
		return fmt.Errorf("bare: row %s: %w", id, err)
	}
	return nil
}

func (s *Side) write(ctx context.Context, id string, r row) error {
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return s.Store.Update(ctx, id, body)
}
