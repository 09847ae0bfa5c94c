package mockapi

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// message is what is looked at of a request to the Messages API.
type message struct {
	Model    string
	Stream   bool
	Tools    []struct{ Name string }
	Messages []struct {
		Role    string
		Content json.RawMessage
	}
}

// turns is how many tool calls were answered so far.
func (m *message) turns() int {
	n := 0
	for _, msg := range m.Messages {
		var parts []struct{ Type string }
		if json.Unmarshal(msg.Content, &parts) != nil {
			continue // a plain text
		}
		for _, p := range parts {
			if p.Type == "tool_result" {
				n++
			}
		}
	}
	return n
}

func (m *message) has(tool string) bool {
	for _, t := range m.Tools {
		if t.Name == tool {
			return true
		}
	}
	return false
}

// messages answers one turn of Claude Code. Its side questions, for a title and
// the like, come without the tools, and get a word.
func (s *Server) messages(w http.ResponseWriter, r *http.Request, calls []Call) {
	var m message
	if !s.read(w, r, &m) {
		return
	}
	turn := m.turns()
	block := map[string]any{"type": "text", "text": "done"}
	reason := "end_turn"
	if turn < len(calls) && m.has(calls[turn].Tool) {
		block = map[string]any{"type": "tool_use", "id": fmt.Sprintf("toolu_%04d", turn), "name": calls[turn].Tool, "input": calls[turn].Input}
		reason = "tool_use"
	}
	reply := map[string]any{"id": fmt.Sprintf("msg_%04d", turn), "type": "message", "role": "assistant", "model": m.Model,
		"content": []any{block}, "stop_reason": reason, "stop_sequence": nil, "usage": map[string]any{"input_tokens": 1, "output_tokens": 1}}
	if !m.Stream {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(reply)
		return
	}
	s.streamed(newStream(w), reply, block, reason)
}

func (s *Server) streamed(out stream, reply, block map[string]any, reason string) {
	reply["content"], reply["stop_reason"] = []any{}, nil
	out.event("message_start", map[string]any{"message": reply})
	if block["type"] == "text" {
		out.event("content_block_start", map[string]any{"index": 0, "content_block": map[string]any{"type": "text", "text": ""}})
		out.event("content_block_delta", map[string]any{"index": 0, "delta": map[string]any{"type": "text_delta", "text": block["text"]}})
	} else {
		input, _ := json.Marshal(block["input"])
		out.event("content_block_start", map[string]any{"index": 0, "content_block": map[string]any{
			"type": "tool_use", "id": block["id"], "name": block["name"], "input": map[string]any{}}})
		out.event("content_block_delta", map[string]any{"index": 0, "delta": map[string]any{"type": "input_json_delta", "partial_json": string(input)}})
	}
	out.event("content_block_stop", map[string]any{"index": 0})
	out.event("message_delta", map[string]any{"delta": map[string]any{"stop_reason": reason, "stop_sequence": nil}, "usage": map[string]any{"output_tokens": 1}})
	out.event("message_stop", map[string]any{})
}
