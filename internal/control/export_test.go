package control

import "bytes"

// MayAsk decides on who connected.
var MayAsk = mayAsk

// ReadRequest reads one request as the server does.
func ReadRequest(line []byte) (Request, error) {
	var req Request
	err := readLine(bytes.NewReader(line), &req)
	return req, err
}
