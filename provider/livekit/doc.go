// Package livekit places calls through LiveKit: a room for each call, an agent in
// it, and the callee brought in over a SIP trunk. It speaks LiveKit's Twirp API as
// JSON, needs none of LiveKit's own libraries and opens nothing until used.
//
// You give it the address and an API key of a LiveKit server, an outbound SIP
// trunk and, usually, the name your agent registers under ([Config]). It runs, for
// each dial, in this order: create the room with the agent's dispatch in it, wait
// until the agent has joined, ring the callee once, wait for the answer. You get
// back a [provider.Call] that is in progress, or one that has ended busy, declined,
// unanswered and so on; only LiveKit's answer to that one request says which.
//
// # Names
//
// Everything is derived from the dial's key, so that any process can find the call
// again: the room ("voice-<task id>-<n>-<digest>", or Request.Room), the callee's
// participant identity in it ("phone-<digest>") and the call's id,
// "<room>/<identity>". A room belongs to one dial: it is deleted when the call is
// ended, and a second dial of a task with a Request.Room gets "<room>-2". A room
// that exists already keeps its metadata and its agents; LiveKit ignores ours.
//
// # Guarantees
//
//   - One Place sends CreateSIPParticipant at most once, and not at all if the callee
//     is in the room already. LiveKit does not deduplicate it: a repeat rings again
//     and cuts off the first call.
//   - A refusal counts as certain only where LiveKit says it before the dial: no such
//     trunk, a bad request, a bad key, no SIP service or no CPU for it; and not if the
//     callee was seen in the room meanwhile. Any other answer without a SIP status is
//     KindOutcomeUnknown: the phone may have rung.
//   - Place waits for the answer or the ring limit (45 s unless the request says
//     otherwise, at most 60 s) and 15 s more. It calls Request.OnPlaced as soon as
//     LiveKit has taken the dial on; that id can be ended while it rings. What is
//     answered or refused at once is not told of before Place returns.
//   - If no agent has joined within Config.AgentWait nobody is rung: the room is
//     deleted, unless it could not be looked into, and the error is KindUnavailable.
//     That wait takes nothing from the ring limit: where the context's deadline leaves
//     too little for both, it ends that much earlier. A context that leaves too little
//     for the ring limit from the outset is taken as it is, and cuts off the answer:
//     KindOutcomeUnknown.
//   - A call whose agent has left, with nobody else in the room, is ended as
//     provider_fault ("agent_left"): while it rings by Place, later by the Get that
//     notices or, with WebhookConfig.Calls, by the webhook. Config.AgentGone is how
//     long the agent may take to come back.
//   - LiveKit's own limits for ringing and for the longest call are always sent, so
//     that a call ends by itself whatever becomes of this process. When the answer to
//     a dial is lost, Find finds the call; a phone that still rings when the limit is
//     certainly over is stopped.
//   - No error carries a number, a key or an answer's text. A panic of a hook
//     (Request.OnPlaced, Config.SIP) is an error like any other.
//
// # How the end is learnt
//
// LiveKit keeps no history of calls: once the callee's participant has left, only
// webhooks tell how it ended. Have LiveKit send them to [WebhookHandler] and set
// Config.Webhooks; polling then is the second line.
//
// The address is set at LiveKit and not here. In LiveKit Cloud it is in the project's
// settings, under webhooks, where the signing key is chosen among the project's API
// keys. A server of one's own has it in its configuration file:
//
//	webhook:
//	  api_key: APIxyz      # one of those under keys:
//	  urls: [https://voice.example.org/webhooks/livekit]
//	keys:
//	  APIxyz: the secret of this key
//
// WebhookConfig.APIKey is that api_key, and APISecret its secret. They may be another
// pair than those of Config, which sign our requests. A 401 and the notice
// forged_webhook for every webhook mean that LiveKit signs with another pair.
//
// Polling alone says less, and says so. While the participant is there, Get reports
// it. When it is gone, Get says that the call has ended, as completed, only if it
// knows that the call had been answered and the participant is still missing in a
// second look some seconds later (a restarted server brings a call back under a new
// participant). That a call was answered is written into the room's metadata by
// Place, or by the first Get that sees it, and remembered in the process: the
// metadata serves other processes for as long as the room is there (60 s after the
// callee has left), the memory serves when the agent hung up by deleting the room.
// Without either Get answers ErrNotFound, which ends nothing.
//
// Webhooks may be late, doubled, in any order or missing, and are taken as they come.
// Until it is time for one (WebhookConfig.HoldBack, Config.AgentGone) the receiver
// answers 503: LiveKit sends it again under the same id, and holds back what else it
// has to tell of that room. Nothing waits here meanwhile.
//
// # Your agent
//
// The dispatch's metadata is a JSON object with key, task_id, agent_id, to_name,
// instructions, model_config, data, room_name and participant_identity, the last
// being the callee's. The agent may say what the call then carries, [AttrOutcome]
// (say "voicemail"), [AttrTranscript], [AttrSummary], [AttrRecordingURL], in any of
// these places: attributes of itself or of the callee; an object with those names as
// its own metadata or among the room's; or a post to WebhookHandler ([ResultEvent]).
// A transcript may be the history of a LiveKit agent as JSON. An outcome that is to
// reach webhooks too belongs on the callee's participant or in the room's metadata,
// set before the callee leaves.
//
// Config.Egress records each call; WebhookHandler then tells where the recording is.
// Config.SIP passes headers, a display name, DTMF and more to the SIP side.
//
// With Config.AgentDials the agent dials instead of this package: the metadata then
// also has phone_number, sip_trunk_id, sip_number, ringing_timeout and
// max_call_duration (in seconds), and Place returns a queued call as soon as the
// room is there. The agent should dial under participant_identity and copy
// participant_attributes; if it does not, the room's first SIP participant is taken
// for the callee. Only webhooks tell how a call ended that no poll has seen answered.
// phone_number is left out in the other mode on purpose: an agent
// that dials when it sees one would ring the callee a second time.
//
// # Out of scope
//
// Inbound calls and dispatch rules, trunks (make them with LiveKit's own tools),
// transfers (an agent may make one: the callee's call goes on while somebody is with
// them), CreateDispatch (it adds an agent each time; the room's creation dispatches
// one), dialling without waiting for the answer (the SIP status would be lost), and
// LiveKit's failover between regions (its clients send a request again, which would
// ring twice). "Answered" is the network's word: whether a machine or an early answer
// of the carrier is on the line is the agent's to judge. Older versions of LiveKit's
// SIP service left a phone ringing when its call was ended, or let a call outlast its
// limit; have a recent one. Some statuses of the SIP side reach webhooks only from
// recent servers on; before, a trunk's fault looks like any other.
//
// Some things LiveKit does not tell apart, and neither does this package: a trunk at
// which nothing listens is no_answer, since it differs from a phone that nobody picks
// up only in that no ringing was seen, which some carriers never report; a call that
// LiveKit ends because no sound comes from the callee is completed; to webhooks busy
// is declined. When LiveKit's SIP service dies in mid-call the call is provider_fault,
// and the callee's line may stay up until their carrier drops it.
package livekit
