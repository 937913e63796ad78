// Package vapi places calls through Vapi (vapi.ai).
//
// You give it an account: a key, a number to call from, an assistant. It gives you
// a [provider.Provider] that starts one call for each dial, follows it by polling
// and by webhooks, and translates Vapi's six hundred reasons for an end into the
// library's twelve outcomes. It never retries and opens nothing until used.
//
// # In your worker
//
//	cfg, err := vapi.ConfigFromEnv(os.Getenv)
//	p, err := vapi.New(cfg)
//
// Two accounts are two Providers with two Names, and two handlers (see the example
// TwoAccounts).
//
// # In your web service
//
// With Config.WebhookURL set, each call asks Vapi to report to that address, and
// [WebhookHandler] serves it. Vapi then sends a report again for about two minutes
// if it is not taken (its own default is not to); polling covers the rest. A report
// is believed if it holds the shared secret (WebhookConfig.Secret), a token
// ([Bearer]) or a signature ([HMAC]); the last alone proves that it is whole and new,
// within a window. A replay of any changes nothing: the end of a call is final.
//
// # What a call is made of
//
// A dial is one POST /call for one callee. The assistant is what Config.Assistant
// returns, else the task's vapi_agent_id, Config.AssistantID or Request.AgentID by its
// id; Config.Overrides may change it for the call (model, voice, voicemail detection).
// The caller's number is Request.From (the id of a Vapi phone number), else one of
// Config.PhoneNumberID and Config.PhoneNumberIDs, chosen by the key. The task's data
// become the assistant's variables, so a prompt may say {{context}}, except what is
// for the library and not for a prompt: contact_number, token, provider, quality,
// room, vapi_agent_id, user_id, document_id and thread_id. Request.Instructions is
// the variable {{instructions}}: text from a task is passed as a value and never
// pasted into a prompt here. [MetadataKey] and [MetadataTaskID] say on Vapi's side
// which dial a call belongs to.
//
// # Guarantees
//
//   - Vapi has no idempotency key: two POSTs are two calls. Place sends one, over a
//     connection of its own, and only a refusal in Vapi's own words, or proof that
//     nothing was sent, counts as not placed. Server errors, redirects, HTML,
//     unreadable answers and silence are provider.KindOutcomeUnknown.
//   - A full account is told in many ways: 400, 404 and 429 are refusals
//     (KindRateLimited), an end at once is an outcome (rate_limited), and a call that
//     Vapi has taken and put off (status "scheduled", or concurrencyBlocked) is a
//     live call with provider.StatusQueued: Vapi may dial it at any moment, so it is
//     followed, for as long as a call may last from the send on, and then ended. It may
//     ring after the calling hours, which were judged at the send, and be hung up on
//     early: keep calls below the account's lines, and MaxCallDuration from the hours'
//     end, where that matters. End deletes one whose
//     status is still "scheduled"; one that is queued, blocked or not, has no way out
//     but its control URL, like any call that has not been answered, and End says
//     KindUnavailable until there is one.
//   - The outcome is known when the call ends; transcript, summary and cost may come
//     seconds later, in a second report or a later Get: with webhooks the report that
//     comes after the result still reaches the task's row, and polling goes on for up
//     to half a minute for the summary of a call that was answered. The transcript is
//     in the form of provider.Turns.
//   - Two reasons for an end leave open what a redial meets; both are provider_fault, which is dialled
//     again unless voicetask.Policy.Redial says otherwise. "...failed-to-connect..." may be a bad
//     number: where Vapi's text beside it says so it is invalid_number, else each of the policy's
//     dials is made (Redial.Max bounds them). After "worker-shutdown" Vapi's documentation has
//     the call "retried automatically", and not by whom. Should Vapi itself dial again with the
//     metadata of the first, and its webhook come before the library's redial is due (10 s), that is
//     provider.NoticeSecondCall and the redial is left out; without webhooks nobody looks for it.
//   - A malformed number is an answer (provider.OutcomeInvalidNumber), an empty
//     wallet is not, though Vapi says both with status 400.
//   - Find lists the account's calls and compares metadata, since Vapi cannot filter
//     by it. It says provider.KindUnavailable where it could not see all of them.
//   - Call.Raw, errors and logs hold no secrets: what leaves this package of Vapi's
//     objects is a list of known fields, and the control URL of a call, which is a
//     secret, is asked for when it is needed and then forgotten.
//
// # Out of scope
//
// Batches (customers), schedulePlan, campaigns, squads and workflows: the library
// dials one callee at a time and keeps the schedule itself. Of a request's other
// properties these are never sent: assistantVersion, name, transport, customerId, a
// transient phoneNumber, and of the customer extension, email, externalId and
// numberE164CheckEnabled. Inbound and web calls: their events are taken and dropped. Messages that want an answer (tool-calls,
// assistant-request, transfer-destination-request): give the tool or the assistant a
// server of its own, [WebhookHandler] answers all of them with an empty 204.
// Detecting voicemail is the assistant's, or Config.Overrides': without it a machine
// looks like a talk or a silence (to switch it off in overrides say "off": Vapi drops
// null). The ring limit is sent for Twilio only, elsewhere Vapi's 60 s hold.
// Signatures in the style of Svix, OAuth2 and the list of Vapi's addresses:
// WebhookConfig.Verify, or the proxy. Control URLs that ask for a key of their own
// (monitorPlan.controlAuthenticationEnabled): End cannot use them, and the limits sent
// with the call end it. Fetching recordings (their addresses need the account's key or
// expire), erasing a call's data at Vapi, saying something into a live call. Vapi has
// no reason that says "declined": mobile networks report busy.
//
// The rate of requests: Vapi publishes no limit, its own tools send about one POST a
// second. A refusal for speed is KindRateLimited, with the wait that Vapi asks for;
// a Gate of the host may pace dials and bound the calls in flight (keep them below the
// account's lines, which inbound calls share).
//
// # Settings of an account that matter
//
// Free Vapi numbers call the US only and a few times a day (rate_limited); those of
// type SIP cannot call out (config_error). Some of Vapi's workers refuse calls whose
// limit is 15 minutes or more, the library's default (a reason with
// "longcalls-not-accepted", config_error): choose a shorter MaxCallDuration there.
//
// # Sources
//
// Vapi's OpenAPI document (VapiAI/docs, fern/apis/api/openapi.json, 2026-08-18) and
// its documentation of the same month, its public server SDKs and concurrency
// gateway for what the document leaves out, and answers seen in the wild. Nothing
// was tried on a live account; where sources disagree the code takes the reading
// that cannot ring twice.
package vapi
