package kafkasrc

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/superservices/voice/voicetask"
)

func header(key, value string) Header { return Header{Key: key, Value: []byte(value)} }

var structured = header(headerContentType, "application/cloudevents+json; charset=UTF-8")

const plain = `{"task_id":"t","agent_id":"a","data":{"contact_number":"+4930123456","big":12345678901234567890},"host":{"k":[1.50]}}`

func TestDecodeTask(t *testing.T) {
	noID := strings.Replace(plain, `"task_id":"t",`, "", 1)
	envelope := func(data string) string {
		return `{"specversion":"1.0","type":"x","source":"/s","id":"event","datacontenttype":"application/json",` + data + `}`
	}
	for name, tt := range map[string]struct {
		headers []Header
		value   string
		id      string
	}{
		"plain":                    {nil, plain, "t"},
		"plain, content-type":      {[]Header{header(headerContentType, "application/json")}, plain, "t"},
		"binary":                   {[]Header{header("ce_specversion", "1.0"), header(headerEventID, "event")}, plain, "t"},
		"binary, id of the event":  {[]Header{header(headerEventID, "event")}, noID, "event"},
		"binary, empty task_id":    {[]Header{header(headerEventID, "event")}, strings.Replace(plain, `"t"`, `""`, 1), "event"},
		"binary, null task_id":     {[]Header{header(headerEventID, "event")}, strings.Replace(plain, `"t"`, `null`, 1), "event"},
		"binary, the last id":      {[]Header{header(headerEventID, "1"), header(headerEventID, "2")}, noID, "2"},
		"binary, upper case":       {[]Header{header("CE_ID", "event")}, noID, "event"},
		"binary, the exact name":   {[]Header{header(headerEventID, "event"), header("CE_ID", "other")}, noID, "event"},
		"structured, upper case":   {[]Header{header("Content-Type", "APPLICATION/CLOUDEVENTS+JSON;charset=utf-8")}, envelope(`"data":` + plain), "t"},
		"structured, as a word":    {[]Header{header(headerContentType, "application/cloudevents; v=1")}, envelope(`"data":` + plain), "t"},
		"not structured":           {[]Header{header(headerContentType, "text/plain; x=application/cloudevents")}, plain, "t"},
		"structured":               {[]Header{structured}, envelope(`"data":` + plain), "t"},
		"structured, no format":    {[]Header{header(headerContentType, "Application/CloudEvents")}, envelope(`"data":` + plain), "t"},
		"structured, id of it":     {[]Header{structured}, envelope(`"data":` + noID), "event"},
		"structured, base64":       {[]Header{structured}, envelope(`"data_base64":"` + base64.StdEncoding.EncodeToString([]byte(plain)) + `"`), "t"},
		"structured, null base64":  {[]Header{structured}, envelope(`"data_base64":null,"data":` + plain), "t"},
		"structured, with a space": {[]Header{structured}, " \n" + envelope(`"data": `+plain+" "), "t"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := DecodeTask(context.Background(), Message{Value: []byte(tt.value), Headers: tt.headers})
			if err != nil {
				t.Fatal(err)
			}
			want, err := voicetask.ParseTask([]byte(plain))
			if err != nil {
				t.Fatal(err)
			}
			if want.ID = tt.id; !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

// badValues are the classes of input that can be no task, with what the error has to say.
var badValues = map[string]struct {
	headers []Header
	value   []byte
	class   string
	says    string
}{
	"tombstone":             {nil, nil, classDecode, "tombstone"},
	"empty":                 {nil, []byte{}, classDecode, "empty"},
	"schema registry":       {nil, append([]byte{0, 0, 0, 0, 7}, plain...), classDecode, "schema-registry"},
	"UTF-16 big endian":     {nil, []byte("\x00{\x00}"), classDecode, "UTF-16"},
	"UTF-16 little endian":  {nil, []byte("{\x00}\x00"), classDecode, "UTF-16"},
	"UTF-16 with a mark":    {nil, []byte("\xff\xfe{\x00"), classDecode, "UTF-16"},
	"byte order mark":       {nil, append([]byte("\xef\xbb\xbf"), plain...), classDecode, "byte order mark"},
	"gzip":                  {nil, []byte("\x1f\x8b\x08\x00\x00"), classInvalidTask, "UTF-8"},
	"truncated":             {nil, []byte(plain[:len(plain)-1]), classInvalidTask, "JSON"},
	"two values":            {nil, []byte(plain + plain), classInvalidTask, "JSON"},
	"invalid UTF-8":         {nil, []byte(`{"task_id":"` + "\xff" + `"}`), classInvalidTask, "UTF-8"},
	"NUL behind":            {nil, []byte(plain + "\x00"), classInvalidTask, "JSON"},
	"number too large":      {nil, []byte(`{"task_id":"t","agent_id":"a","data":{},"priority":1e999}`), classInvalidTask, "priority"},
	"spaces":                {nil, []byte("   "), classInvalidTask, "JSON"},
	"null":                  {nil, []byte("null"), classInvalidTask, "object"},
	"array":                 {nil, []byte("[]"), classInvalidTask, "object"},
	"string":                {nil, []byte(`"` + "+4930123456" + `"`), classInvalidTask, "object"},
	"no data":               {nil, []byte(`{"task_id":"t","agent_id":"a"}`), classInvalidTask, "data"},
	"data is a list":        {nil, []byte(`{"task_id":"t","agent_id":"a","data":[]}`), classInvalidTask, "data"},
	"no agent_id":           {nil, []byte(`{"task_id":"t","data":{}}`), classInvalidTask, "agent_id"},
	"no task_id":            {nil, []byte(`{"agent_id":"a","data":{}}`), classInvalidTask, "task_id"},
	"wrong case":            {nil, []byte(`{"Task_ID":"t","agent_id":"a","data":{}}`), classInvalidTask, "task_id"},
	"slash":                 {nil, []byte(`{"task_id":"a/b","agent_id":"a","data":{}}`), classInvalidTask, "task_id"},
	"NUL in task_id":        {nil, []byte(`{"task_id":"a\u0000","agent_id":"a","data":{}}`), classInvalidTask, "task_id"},
	"time without offset":   {nil, []byte(`{"task_id":"t","agent_id":"a","data":{},"not_before":"2026-01-01T00:00:00"}`), classInvalidTask, "not_before"},
	"other message_type":    {nil, []byte(`{"task_id":"t","agent_id":"a","data":{},"message_type":"sms"}`), classInvalidTask, "message_type"},
	"deep":                  {nil, []byte(`{"task_id":"t","agent_id":"a","data":{"d":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}}`), classInvalidTask, "deep"},
	"a megabyte of [":       {nil, bytes.Repeat([]byte("["), 1<<20), classInvalidTask, "deep"},
	"event id with a slash": {[]Header{header(headerEventID, "/a")}, []byte(`{"agent_id":"a","data":{}}`), classInvalidTask, "task_id"},
	"event id not UTF-8":    {[]Header{header(headerEventID, "\xff")}, []byte(`{"agent_id":"a","data":{}}`), classInvalidTask, "UTF-8"},
	"event, tombstone":      {[]Header{structured}, nil, classDecode, "tombstone"},
	"event, not JSON":       {[]Header{structured}, []byte("{"), classDecode, "envelope"},
	"event, not an object":  {[]Header{structured}, []byte("[]"), classDecode, "envelope"},
	"event without data":    {[]Header{structured}, []byte(`{"id":"e"}`), classDecode, `no "data"`},
	"event with null data":  {[]Header{structured}, []byte(`{"id":"e","data":null}`), classDecode, `no "data"`},
	"event with both":       {[]Header{structured}, []byte(`{"id":"e","data":{},"data_base64":"e30="}`), classDecode, "both"},
	"event, broken base64":  {[]Header{structured}, []byte(`{"id":"e","data_base64":"***"}`), classDecode, "base64"},
	"event, number base64":  {[]Header{structured}, []byte(`{"id":"e","data_base64":7}`), classDecode, "base64"},
	"event, empty base64":   {[]Header{structured}, []byte(`{"id":"e","data_base64":""}`), classDecode, "empty"},
	"event, number id":      {[]Header{structured}, []byte(`{"id":7,"data":{}}`), classDecode, "id"},
	"event, data a string":  {[]Header{structured}, []byte(`{"id":"e","data":"{}"}`), classInvalidTask, "object"},
	"event in Avro":         {[]Header{header(headerContentType, "application/cloudevents+avro")}, []byte(plain), classDecode, "format"},
	"batch, upper case":     {[]Header{header("Content-Type", "Application/CloudEvents-Batch+JSON; x=1")}, []byte("[]"), classDecode, "batch"},
	"batch of events":       {[]Header{header(headerContentType, "application/cloudevents-batch+json")}, []byte("[]"), classDecode, "batch"},
	"event deeper than all": {[]Header{structured}, bytes.Repeat([]byte("{"), 1<<20), classDecode, "deep"},
}

func TestDecodeTaskRefuses(t *testing.T) {
	for name, tt := range badValues {
		t.Run(name, func(t *testing.T) {
			_, err := DecodeTask(context.Background(), Message{Value: tt.value, Headers: tt.headers})
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("error %v, want one about %q", err, tt.says)
			}
			if got := refuse(err); got.class != tt.class {
				t.Errorf("class %q, want %q (%v)", got.class, tt.class, err)
			}
			if isTemporary(err) {
				t.Errorf("%v is temporary", err)
			}
			if text := err.Error(); strings.Contains(text, "4930123456") || len(text) > 300 {
				t.Errorf("the error tells too much: %s", text)
			}
		})
	}
}

func TestTemporary(t *testing.T) {
	cause := errors.New("the registry is away")
	err := fmt.Errorf("decoding: %w", Temporary(cause))
	if !isTemporary(err) || !errors.Is(err, cause) || isTemporary(cause) {
		t.Errorf("%v is not temporary, or not its cause", err)
	}
	if Temporary(nil) != nil {
		t.Error("Temporary(nil) is an error")
	}
}

// FuzzDecodeTask wants no panic, a valid task or a classified error without long input in it, and
// every key of the message in the task's JSON.
func FuzzDecodeTask(f *testing.F) {
	f.Add([]byte(plain), "", "")
	f.Add([]byte(plain), "application/json", "event")
	for _, bad := range badValues {
		if len(bad.value) < 1000 {
			m := Message{Headers: bad.headers}
			ct, _ := m.header(headerContentType)
			f.Add(bad.value, string(ct), cloudEventID(m))
		}
	}
	f.Fuzz(func(t *testing.T, value []byte, contentType, id string) {
		before := bytes.Clone(value)
		m := Message{Value: value, Headers: []Header{header(headerContentType, contentType), header(headerEventID, id)}}
		task, err := DecodeTask(context.Background(), m)
		if !bytes.Equal(value, before) {
			t.Fatal("the record was changed")
		}
		if err != nil {
			if text := refuse(err).text(value); len(text) == 0 || len(text) > maxHeaderText {
				t.Fatalf("error text %q", text)
			}
			return
		}
		if err := task.Validate(); err != nil {
			t.Fatalf("an invalid task was let pass: %v", err)
		}
		again, err := task.MarshalJSON()
		if err != nil {
			t.Fatalf("marshalling back: %v", err)
		}
		if isCloudEvent(m) {
			return
		}
		var in, out map[string]json.RawMessage
		if json.Unmarshal(value, &in) != nil || json.Unmarshal(again, &out) != nil {
			t.Fatalf("not an object: %s or %s", value, again)
		}
		for key := range in {
			if _, ok := out[key]; !ok && key != "run_id" && key != "tenant_id" && key != "priority" && key != "not_before" && key != "not_after" && key != "time_zone" && key != "max_dials" {
				t.Fatalf("%q was lost: %s became %s", key, value, again)
			}
		}
	})
}
