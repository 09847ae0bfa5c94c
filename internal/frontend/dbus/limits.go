package dbus

import "time"

// What one confined command may make the endpoint hold or do. A client that
// goes past a limit of the codec or of time is cut off; past any other it gets
// LimitsExceeded.
const (
	maxConns     = 256       // connections at once
	maxHandshake = 16 << 10  // bytes of authentication
	maxLine      = 1 << 10   // bytes of one line of it
	maxRejects   = 8         // mechanisms turned down
	maxHeader    = 16 << 10  // bytes of a message's header
	maxBody      = 1 << 20   // bytes of a message's body
	maxReply     = 16 << 20  // bytes of a reply's body
	maxRules     = 512       // match rules of a connection
	maxRule      = 1 << 10   // bytes of one
	allRules     = 4 << 20   // bytes that the rules of all connections take
	maxSessions  = 64        // sessions of a connection
	maxPrompts   = 16        // prompts of a connection that are not finished
	allPrompts   = 256       // of all connections: each may hold a secret of half a megabyte
	bulkReply    = 128 << 10 // bytes of a reply, or of a call, past which
	bulkAtOnce   = 8         // no more than these are made and written at a time
	bulkCalls    = 16        // and no more than these are read and answered
	maxPaths     = 1024      // object paths in one call
	maxAttrs     = 128       // attributes in one call
	maxNames     = 1 << 16   // item names remembered for all connections
	maxQueue     = 256       // signals waiting for one connection

	// Requests that reach the broker, of all connections together. What they may
	// cost the store is the broker's to limit; this bounds what they cost here.
	requestsPerSecond = 20_000
	requestBurst      = 40_000
)

// times are the limits of time; tests shorten them.
type times struct {
	handshake time.Duration // from accept to BEGIN
	message   time.Duration // from a message's first byte to its last
	write     time.Duration // one write
	prompt    time.Duration // a prompt's life
}

func defaultTimes() times {
	return times{
		handshake: 10 * time.Second,
		message:   10 * time.Second,
		write:     5 * time.Second,
		prompt:    5 * time.Minute,
	}
}
