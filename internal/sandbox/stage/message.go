package stage

// Step is what the stage was doing, for the message about a failed start.
type Step uint8

const (
	Receive Step = iota + 1
	Limits
	Descriptors
	Directory
	ForbiddenBefore // the closed folder could not be opened even unconfined
	Privileges
	Landlock
	Capabilities
	Filter
	Handover
	ForbiddenFile   // the closed folder could be opened
	ForbiddenSocket // the refused name did not answer EPERM
	NeededSocket    // the probe socket could not be reached
	Exec
	Observing
	Namespaces // becoming itself in the namespaces it was started in
	Mounts     // the mounts that every run of the hardening layer has
	Covers     // what is mounted for this run
	Insides    // rules for what is only there inside
	Init
)

// Kind says what a message from the stage is.
type Kind uint8

const (
	Listener Kind = iota + 1 // carries the listener's descriptor
	Ready                    // confined and probed; exec comes after the supervisor's word
	Failed                   // at Step, with Errno
	Walled                   // the namespaces are there and can be mounted in
	Started                  // of an init: carries a descriptor of the command
	Stopped                  // of an init: the command has stopped
	Ended                    // of an init: the command has ended, with Word as its wait status
)

// MessageSize is the size of every message from the stage.
const MessageSize = 16

// Message is what the stage says.
type Message struct {
	Kind  Kind
	Step  Step
	Errno uint32 // of a listener: EINTR when signals interrupt calls being served
	Word  uint64 // of a trial: the address of a known word in the stage's memory; of an end: the status
}

// KnownWord stands in the stage's memory at Message.Word.
const KnownWord = 0x6b6579686f6c6521

// Encode returns the message's bytes.
func (m Message) Encode() [MessageSize]byte {
	b := [MessageSize]byte{byte(m.Kind), byte(m.Step)}
	for i := range 4 {
		b[4+i] = byte(m.Errno >> (8 * i))
	}
	for i := range 8 {
		b[8+i] = byte(m.Word >> (8 * i))
	}
	return b
}

// DecodeMessage reads a message; false when it is not one.
func DecodeMessage(b []byte) (Message, bool) {
	if len(b) != MessageSize || b[0] == 0 || Kind(b[0]) > Ended || b[2] != 0 || b[3] != 0 {
		return Message{}, false
	}
	m := Message{Kind: Kind(b[0]), Step: Step(b[1])}
	for i := range 4 {
		m.Errno |= uint32(b[4+i]) << (8 * i)
	}
	for i := range 8 {
		m.Word |= uint64(b[8+i]) << (8 * i)
	}
	return m, true
}
