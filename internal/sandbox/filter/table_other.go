//go:build !amd64 && !arm64

package filter

const (
	withoutUDP = ""
	withUDP    = ""
	staticShut = ""
	staticUDP  = ""
	staticOpen = ""
)
