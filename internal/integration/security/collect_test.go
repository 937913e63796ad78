package security

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/sdk/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/superservices/voice/internal/integration/devserver"
)

// Places where a canary may be seen.
const (
	placeIDs      = "workflow ids"
	placeSearch   = "search attributes"
	placeMemo     = "memos"
	placeSummary  = "summaries"
	placeDetails  = "current details"
	placeFailure  = "failure messages in histories"
	placePending  = "failure messages of pending activities"
	placeHistory  = "histories outside payloads"
	placeLog      = "logs"
	placeErrors   = "errors the host is given"
	placeList     = "temporal workflow list"
	placeWhole    = "whole histories"
	placeDatabase = "the server's database"
	placePayloads = "payloads" // readable without a codec only
	placeResults  = "results"
	placeRows     = "the store's rows"
)

// everywhere is where nothing personal may be, whatever the host encrypts.
var everywhere = []string{placeIDs, placeSearch, placeMemo, placeSummary, placeDetails, placeFailure, placePending, placeHistory, placeLog, placeErrors, placeList}

// encrypted is where nothing personal is once the host's codec is on.
var encrypted = []string{placeWhole, placeDatabase, placePayloads}

// history puts one workflow's history into the haystack.
func (h *host) history(c client.Client, workflowID string) *historypb.History {
	h.t.Helper()
	all := &historypb.History{}
	events := c.GetWorkflowHistory(h.t.Context(), workflowID, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		require.NoError(h.t, err)
		all.Events = append(all.Events, e)
	}
	h.sort(all.ProtoReflect(), placeHistory, placePayloads)
	whole, err := temporalproto.CustomJSONMarshalOptions{}.Marshal(all)
	require.NoError(h.t, err)
	h.hay.add(placeWhole, string(whole))
	return all
}

// describe puts what a describe answers into the haystack. A workflow that is not there
// has nothing to show.
func (h *host) describe(ctx context.Context, c client.Client, workflowID string) {
	d, err := c.DescribeWorkflowExecution(ctx, workflowID, "")
	if err != nil {
		return
	}
	h.hay.add(placeIDs, d.GetWorkflowExecutionInfo().GetExecution().GetWorkflowId())
	for _, a := range d.GetPendingActivities() {
		h.sort(a.GetLastFailure().ProtoReflect(), placePending, placePayloads)
	}
	d.PendingActivities = nil
	h.sort(d.ProtoReflect(), placeHistory, placePayloads)
}

// details puts a workflow's current details into the haystack: what its worker answers
// to the Web UI.
func (h *host) details(ctx context.Context, c client.Client, workflowID string) {
	value, err := c.QueryWorkflow(ctx, workflowID, "", "__temporal_workflow_metadata")
	if err != nil {
		return // it may have ended, and its worker stopped
	}
	var m sdk.WorkflowMetadata
	if value.Get(&m) == nil {
		h.hay.add(placeDetails, m.GetCurrentDetails())
	}
}

// sort walks through a message and puts each text where it belongs.
func (h *host) sort(m protoreflect.Message, place, payloads string) {
	if !m.IsValid() {
		return
	}
	switch m.Descriptor().FullName() {
	case "temporal.api.common.v1.Payload":
		raw, _ := proto.Marshal(m.Interface()) // as it came
		h.hay.add(payloads, string(raw))
		return
	case "temporal.api.common.v1.Memo":
		place, payloads = placeMemo, placeMemo
	case "temporal.api.common.v1.SearchAttributes":
		place, payloads = placeSearch, placeSearch
	case "temporal.api.sdk.v1.UserMetadata":
		place, payloads = placeSummary, placeSummary
	case "temporal.api.failure.v1.Failure":
		if place == placeHistory {
			place = placeFailure
		}
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap():
			v.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
				h.hay.add(place, k.String())
				h.leaf(f.MapValue(), v, place, payloads)
				return true
			})
		case f.IsList():
			for i := range v.List().Len() {
				h.leaf(f, v.List().Get(i), place, payloads)
			}
		default:
			h.leaf(f, v, place, payloads)
		}
		return true
	})
}

func (h *host) leaf(f protoreflect.FieldDescriptor, v protoreflect.Value, place, payloads string) {
	switch f.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		h.sort(v.Message(), place, payloads)
	case protoreflect.StringKind:
		h.hay.add(place, v.String())
	case protoreflect.BytesKind:
		h.hay.add(place, string(v.Bytes()))
	}
}

// list puts what an operator sees into the haystack. The list lags behind the workflows, on
// a busy machine for some time: what was planted in it is waited for.
func (h *host) list() {
	h.t.Helper()
	cli, err := devserver.CLI(h.t.Context())
	require.NoError(h.t, err)
	for _, format := range []string{"text", "json"} {
		show := func() string {
			out, err := exec.CommandContext(h.t.Context(), cli, "workflow", "list", "--address", server.FrontendHostPort(), "--limit", "5000", "-o", format).Output()
			require.NoError(h.t, err)
			return string(out)
		}
		said := show()
		for until := time.Now().Add(time.Minute); !strings.Contains(said, plantedWord) && time.Now().Before(until); time.Sleep(time.Second) {
			said = show()
		}
		h.hay.add(placeList, said)
	}
}

// files puts a SQLite database into the haystack, as it lies on the disk.
func (h *host) files(place, path string) {
	h.t.Helper()
	for _, suffix := range []string{"", "-wal", "-journal"} {
		raw, err := os.ReadFile(path + suffix)
		if suffix != "" && os.IsNotExist(err) {
			continue
		}
		require.NoError(h.t, err)
		h.hay.add(place, string(raw))
	}
}
