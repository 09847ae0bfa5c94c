package profile

import "strings"

// looksSecret tells whether a value, or a part of it, has the shape of a
// credential, whatever it is called. It errs on the side of yes where a shape
// is a vendor's own, and asks for length where words could have it.
func looksSecret(value string) bool {
	if strings.Contains(value, "-----BEGIN") || urlWithPassword(value) || secretQuery(value) {
		return true
	}
	for i := range len(value) {
		if i > 0 && isTokenByte(value[i-1]) {
			continue // only at the start of a word
		}
		if secretStart(value[i:]) {
			return true
		}
	}
	return false
}

// shape is how a vendor's tokens begin and how much must follow.
type shape struct {
	prefix string
	least  int  // bytes after the prefix
	digit  bool // one of them must be a digit: words begin like that, too
}

func shapes() [24]shape {
	return [...]shape{
		{"ghp_", 16, false}, {"gho_", 16, false}, {"ghs_", 16, false}, {"ghu_", 16, false}, {"ghr_", 16, false},
		{"github_pat_", 16, false}, {"glpat-", 12, false}, {"sk-ant-", 8, false}, {"sk-", 16, true},
		{"AKIA", 16, false}, {"ASIA", 16, false}, {"AIza", 30, false}, {"ya29.", 10, false},
		{"xoxa-", 10, false}, {"xoxb-", 10, false}, {"xoxe-", 10, false}, {"xoxp-", 10, false},
		{"xoxr-", 10, false}, {"xoxs-", 10, false}, {"npm_", 30, true}, {"pypi-", 16, true}, {"hvs.", 8, false},
		{"dop_v1_", 16, false}, {"AGE-SECRET-KEY-", 1, false},
	}
}

// secretStart tells whether s begins with a token.
func secretStart(s string) bool {
	end := 0
	for end < len(s) && isTokenByte(s[end]) {
		end++
	}
	word := s[:end]
	if isJWT(word) {
		return true
	}
	for _, p := range shapes() {
		rest, ok := strings.CutPrefix(word, p.prefix)
		if ok && len(rest) >= p.least && (!p.digit || strings.ContainsAny(rest, "0123456789")) {
			return true
		}
	}
	return false
}

// isJWT tells whether word is three base64url parts of which the first begins
// like a JSON object (RFC 7519).
func isJWT(word string) bool {
	const least = 4
	parts := strings.Split(word, ".")
	return len(parts) == 3 && strings.HasPrefix(word, "eyJ") && len(parts[0]) >= least && len(parts[1]) >= least && parts[2] != ""
}

func isTokenByte(c byte) bool {
	return c == '_' || c == '-' || c == '.' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// authorities calls f with what stands between "://" and the path of each URL
// in s, until f returns true.
func authorities(s string, f func(authority string) bool) bool {
	for {
		_, after, ok := strings.Cut(s, "://")
		if !ok {
			return false
		}
		if f(after[:authorityEnd(after)]) {
			return true
		}
		s = after
	}
}

// authorityEnd is where a URL's authority ends; URLs may be in a list.
func authorityEnd(s string) int {
	if i := strings.IndexAny(s, "/?#,| \t\n\"'"); i >= 0 {
		return i
	}
	return len(s)
}

// urlWithPassword tells whether a URL in s has a user with a password.
func urlWithPassword(s string) bool {
	return authorities(s, func(a string) bool {
		at := strings.LastIndexByte(a, '@')
		if at < 0 {
			return false
		}
		_, password, ok := strings.Cut(a[:at], ":")
		return ok && password != ""
	})
}

// secretQuery tells whether a URL in s has a query that carries a secret.
func secretQuery(s string) bool {
	if !strings.Contains(s, "://") {
		return false
	}
	for _, part := range strings.FieldsFunc(s, func(c rune) bool { return c == '?' || c == '&' || c == '#' })[1:] {
		key, val, ok := strings.Cut(strings.ToLower(part), "=")
		if !ok || val == "" {
			continue
		}
		switch key {
		case "token", "access_token", "sig", "signature", "key", "api_key", "apikey", "secret", "password":
			return true
		}
	}
	return false
}

// cutUserInfo takes users and passwords out of the URLs in s. It is not clean
// when something that could be a part of one stays behind: a password with a
// "/" in it ends the authority early.
func cutUserInfo(s string) (cut string, clean bool) {
	var b strings.Builder
	if !strings.Contains(s, "://") {
		return s[strings.LastIndexByte(s, '@')+1:], true // host:port with a user
	}
	for {
		before, after, ok := strings.Cut(s, "://")
		b.WriteString(before)
		if !ok {
			break
		}
		b.WriteString("://")
		end := authorityEnd(after)
		s = after[strings.LastIndexByte(after[:end], '@')+1:]
	}
	cut = b.String()
	return cut, !strings.Contains(cut, "@")
}
