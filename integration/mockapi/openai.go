package mockapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// response is what is looked at of a request to the Responses API.
type response struct {
	Tools []struct{ Type, Name string }
	Input []struct{ Type string }
}

func (q *response) turns() int {
	n := 0
	for _, i := range q.Input {
		if strings.HasSuffix(i.Type, "_output") {
			n++
		}
	}
	return n
}

// responses answers one turn of Codex, which always streams.
func (s *Server) responses(w http.ResponseWriter, r *http.Request, calls []Call) {
	var q response
	if !s.read(w, r, &q) {
		return
	}
	turn := q.turns()
	item := map[string]any{"type": "message", "role": "assistant", "id": fmt.Sprintf("msg_%04d", turn),
		"content": []any{map[string]any{"type": "output_text", "text": "done"}}}
	if turn < len(calls) {
		c := calls[turn]
		known := slices.ContainsFunc(q.Tools, func(t struct{ Type, Name string }) bool { return t.Name == c.Tool })
		if !known {
			http.Error(w, fmt.Sprintf("no tool is called %q of %v", c.Tool, q.Tools), http.StatusBadRequest)
			return
		}
		input, _ := json.Marshal(c.Input)
		item = map[string]any{"type": "function_call", "id": fmt.Sprintf("fc_%04d", turn), "call_id": fmt.Sprintf("call_%04d", turn), "name": c.Tool, "arguments": string(input)}
	}
	id := fmt.Sprintf("resp_%04d", turn)
	out := newStream(w)
	out.event("response.created", map[string]any{"response": map[string]any{"id": id}})
	out.event("response.output_item.done", map[string]any{"output_index": 0, "item": item})
	out.event("response.completed", map[string]any{"response": map[string]any{"id": id, "usage": map[string]any{
		"input_tokens": 1, "output_tokens": 1, "total_tokens": 2,
		"input_tokens_details": map[string]any{"cached_tokens": 0}, "output_tokens_details": map[string]any{"reasoning_tokens": 0}}}})
}
