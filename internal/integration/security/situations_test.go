package security

// situation is what one task of the campaign meets. Zero fields: nothing of the kind.
type situation struct {
	name     string
	ending   string // of the number: the callee's script
	provider string // data.provider
	sip      bool   // the callee is a SIP user

	refuse   int    // HTTP status of the platform's refusal, which quotes number and name
	twirp    string // its code where the platform is LiveKit
	always   bool   // each time, not the first only
	accepted bool   // after it has placed the call
	weird    bool   // it ends for a reason nobody has heard of, quoting too

	gate    string // "error", "panic", "application", "refuse", "defer"
	prepare string // "error", "panic", "invalid"
	policy  bool   // PolicyFor fails once
	chooser bool   // ProviderFor fails once
	hours   bool   // Hours.Closed fails once
	record  bool   // the host's decoration of RecordResult fails once, with an error type of its own
	store   int    // so many operations on its row fail
	host    string // what the host does: "cancel", "hold", "duplicate", "erase"
}

// situations of the campaign: outcomes of every kind, and everybody's words.
var situations = []situation{
	{name: "answered", ending: "00"},
	{name: "busy", ending: "86"},
	{name: "voicemail", ending: "88"},
	{name: "no answer", ending: "80"},
	{name: "declined", ending: "03"},
	{name: "a fault, then redialled", ending: "50"},
	{name: "a fault each time", ending: "51"},
	{name: "malformed for the platform", ending: "05"},
	{name: "refused 400", ending: "10", refuse: 400, always: true},
	{name: "refused 401", ending: "11", refuse: 401, always: true},
	{name: "refused 402", ending: "12", refuse: 402, always: true},
	{name: "refused 404", ending: "13", refuse: 404, always: true},
	{name: "rate limited", ending: "14", refuse: 429},
	{name: "500 after it was placed", ending: "16", refuse: 500, accepted: true},
	{name: "weird reason", ending: "17", weird: true},
	{name: "gate fails", ending: "18", gate: "error"},
	{name: "gate panics", ending: "19", gate: "panic"},
	{name: "gate fails with an error of Temporal's", ending: "20", gate: "application"},
	{name: "gate refuses", ending: "21", gate: "refuse"},
	{name: "gate defers", ending: "22", gate: "defer"},
	{name: "Prepare fails", ending: "23", prepare: "error"},
	{name: "Prepare panics", ending: "24", prepare: "panic"},
	{name: "Prepare refuses the task", ending: "25", prepare: "invalid"},
	{name: "PolicyFor fails", ending: "26", policy: true},
	{name: "ProviderFor fails", ending: "27", chooser: true},
	{name: "Closed fails", ending: "28", hours: true},
	{name: "RecordResult fails", ending: "30", record: true},
	{name: "store fails", ending: "31", store: 3},
	{name: "cancelled on the phone", ending: "99", host: "cancel"},
	{name: "held and resumed", ending: "32", host: "hold", gate: "defer"},
	{name: "submitted again", ending: "33", host: "duplicate"},
	{name: "erased", ending: "34", host: "erase"},
	{name: "no such provider", ending: "35", provider: "nobody"},
	{name: "livekit answered", ending: "36", provider: "livekit"},
	{name: "livekit, a SIP user", ending: "37", provider: "livekit", sip: true},
	{name: "livekit busy", ending: "86", provider: "livekit"},
	{name: "livekit declined", ending: "03", provider: "livekit"},
	{name: "livekit no such number", ending: "04", provider: "livekit"},
	{name: "livekit fault", ending: "51", provider: "livekit"},
	{name: "livekit refuses", ending: "38", provider: "livekit", refuse: 403, twirp: "permission_denied", always: true},
	{name: "livekit fails after it was placed", ending: "39", provider: "livekit", refuse: 500, twirp: "internal", accepted: true},
	{name: "lost for good", ending: "40", provider: "acme"},
	{name: "rejected with a URL", ending: "41", provider: "acme"},
	{name: "an error of no kind", ending: "42", provider: "acme"},
	{name: "Get fails, End fails", ending: "43", provider: "acme", host: "cancel"},
}
