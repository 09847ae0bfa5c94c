// Package mockapi stands in for the services that agents talk to: for Anthropic's
// Messages API and for OpenAI's Responses API, as far as Claude Code and Codex use
// them. There is no model behind it. It orders the tool calls it was given, one a
// turn, and keeps all that it was sent.
package mockapi

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// Call is a tool call that is ordered, as the agent's own tools want it.
type Call struct {
	Tool  string
	Input map[string]any
}

// Server is a mock that listens on loopback.
type Server struct {
	URL, Port string

	mu     sync.Mutex
	bodies []string
	keys   []string
	others []string
}

// Start starts a server that orders these calls one after the other and then says
// that it is done. It stops at the end of the test.
func Start(t *testing.T, calls []Call) *Server {
	s := &Server{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/messages", func(w http.ResponseWriter, r *http.Request) { s.messages(w, r, calls) })
	mux.HandleFunc("POST /v1/responses", func(w http.ResponseWriter, r *http.Request) { s.responses(w, r, calls) })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.others = append(s.others, r.Method+" "+r.URL.Path)
		s.mu.Unlock()
		http.Error(w, `{"error": {"type": "not_found_error", "message": "not here"}}`, http.StatusNotFound)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	s.URL = server.URL
	_, s.Port, _ = strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	return s
}

// Sent is all that the agent sent, one body a request.
func (s *Server) Sent() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.bodies...)
}

// Keys are the keys that came with the requests.
func (s *Server) Keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.keys...)
}

// read takes a request's body and keeps it.
func (s *Server) read(w http.ResponseWriter, r *http.Request, into any) bool {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, into)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	key := r.Header.Get("x-api-key")
	if key == "" {
		key = strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bodies = append(s.bodies, string(body))
	s.keys = append(s.keys, key)
	return true
}

// stream writes events as both services do.
type stream struct{ w http.ResponseWriter }

func newStream(w http.ResponseWriter) stream {
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	return stream{w}
}

func (s stream) event(name string, data map[string]any) {
	data["type"] = name
	text, err := json.Marshal(data)
	if err != nil {
		panic(err) // of values made here
	}
	fmt.Fprintf(s.w, "event: %s\ndata: %s\n\n", name, text)
	s.w.(http.Flusher).Flush()
}

// Others are the requests that were not understood.
func (s *Server) Others() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.others...)
}
