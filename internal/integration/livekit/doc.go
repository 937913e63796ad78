// Package livekit holds tests of provider/livekit against a real livekit-server and
// against LiveKit's own Go library. The server is real, and so are its API, rooms,
// webhooks and agent dispatch; of LiveKit's SIP service, which is on no registry,
// package standin plays the part on LiveKit's own RPC.
package livekit
