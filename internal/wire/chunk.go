package wire

// Stream is what a chunk is a piece of. The zero Stream is nothing.
type Stream uint8

// The streams of a running tool.
const (
	Input  Stream = iota + 1 // to the tool; an empty chunk is its end
	Output                   // the tool's standard output
	Errors                   // the tool's standard error
	End                      // the tool has ended; its exit status is the one byte
)

// MaxPiece is how much of a stream one chunk holds.
const MaxPiece = MaxChunk - frameHead

// Chunk is a piece of one of a tool's streams, sent either way on the connection
// of a Run that was answered with OK.
type Chunk struct {
	Stream Stream
	Data   []byte
}

// EncodeChunk makes a chunk's frame: ErrTooLarge when it does not fit.
func EncodeChunk(k *Chunk) ([]byte, error) {
	if len(k.Data) > MaxPiece {
		return nil, ErrTooLarge
	}
	e := encoder{b: make([]byte, 4, frameHead+len(k.Data))}
	e.u8(Version)
	e.u8(uint8(k.Stream))
	e.b = append(e.b, k.Data...)
	return e.finish(MaxChunk)
}

// DecodeChunk reads a chunk's frame, of which Data remains a part.
func DecodeChunk(frame []byte) (*Chunk, error) {
	d, err := head(frame, MaxChunk)
	if err != nil {
		return nil, err
	}
	k := &Chunk{Stream: Stream(d.u8()), Data: d.rest}
	switch k.Stream {
	case Input, Output, Errors:
	case End:
		if len(k.Data) != 1 {
			d.fail("an exit status of %d bytes", len(k.Data))
		}
	default:
		d.fail("stream %d", k.Stream)
	}
	return k, d.err
}
