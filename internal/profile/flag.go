package profile

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"keyhole/internal/policy"
	"keyhole/internal/secret"
)

// attrPrefix starts the flag keys that name an attribute.
const attrPrefix = "attr."

// ParseFlag reads a --read, --write or --ask value into a rule: pairs KEY=VALUE
// with commas between, where "\," is a comma that belongs to the value and
// repeated keys add up. --write is read, create, update and delete; --ask is
// read after a question.
func ParseFlag(flag, value string) (policy.Rule, error) {
	name := strings.TrimLeft(flag, "-")
	flag = "--" + name
	r := policy.Rule{Source: policy.Source{File: flag}, Effect: policy.Allow}
	switch name {
	case "read":
		r.Operations = []policy.Operation{policy.Read}
	case "write":
		r.Operations = []policy.Operation{policy.Read, policy.Create, policy.Update, policy.Delete}
	case "ask":
		r.Operations = []policy.Operation{policy.Read}
		r.Effect = policy.Ask
	default:
		return policy.Rule{}, fmt.Errorf("internal error: %s is not a flag for a rule", flag)
	}
	wrong := func(format string, args ...any) (policy.Rule, error) {
		return policy.Rule{}, fmt.Errorf("%s: %s", flag, fmt.Sprintf(format, args...))
	}
	for _, pair := range splitPairs(value) {
		key, val, ok := strings.Cut(pair, "=")
		if !ok {
			return wrong("want KEY=VALUE, have no \"=\" in %q", shorten(pair))
		}
		if text := setFlagKey(&r, key, val); text != "" {
			return wrong("%s", text)
		}
	}
	if len(r.Services)+len(r.ServicePrefixes)+len(r.Servers)+len(r.Attributes) == 0 {
		return wrong("needs at least one of service, service_prefix, server, attr.NAME")
	}
	if len(r.Services)+len(r.ServicePrefixes) > 0 && len(r.Accounts)+len(r.AccountPrefixes) == 0 {
		return wrong("needs account or account_prefix; account=* is every account")
	}
	return r, nil
}

// splitPairs splits at the commas that no backslash takes.
func splitPairs(s string) []string {
	var out []string
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == ',':
			b.WriteByte(',')
			i++
		case s[i] == ',':
			out = append(out, b.String())
			b.Reset()
		default:
			b.WriteByte(s[i])
		}
	}
	return append(out, b.String())
}

// flagKeys are the keys of a rule flag, each with where its value goes.
func flagKeys(r *policy.Rule) []flagKey {
	return []flagKey{
		{"service", &r.Services, false}, {"service_prefix", &r.ServicePrefixes, false},
		{"account", &r.Accounts, true}, {"account_prefix", &r.AccountPrefixes, false},
		{"server", &r.Servers, false}, {"protocol", &r.Protocols, false},
		{"path", &r.Paths, true}, {"port", &r.Ports, false},
		{"collection", &r.Collections, false}, {"field", &r.Fields, false}, {"provider", nil, false},
	}
}

type flagKey struct {
	name  string
	to    *[]string
	empty bool // an empty value is taken
}

func setFlagKey(r *policy.Rule, key, val string) string {
	if name, ok := strings.CutPrefix(key, attrPrefix); ok {
		return setFlagAttribute(r, name, val)
	}
	keys := flagKeys(r)
	i := slices.IndexFunc(keys, func(k flagKey) bool { return k.name == key })
	if i < 0 {
		known := []string{attrPrefix + "NAME"}
		for _, k := range keys {
			known = append(known, k.name)
		}
		return unknown("key", key, known)
	}
	k := keys[i]
	switch {
	case val == "" && !k.empty:
		return key + " has no value"
	case key == "provider":
		return setFlagProvider(r, val)
	case key == "port" && !isPort(val):
		return fmt.Sprintf("port: want a number from 1 to %d", maxPort)
	case slices.Contains(*k.to, val):
		return key + " has the same value twice"
	}
	*k.to = append(*k.to, val)
	return ""
}

func setFlagAttribute(r *policy.Rule, name, val string) string {
	if wrong := badAttribute(name); wrong != "" {
		return "attr.NAME: " + wrong
	}
	if _, twice := r.Attributes[name]; twice {
		return attrPrefix + name + " is there twice"
	}
	if r.Attributes == nil {
		r.Attributes = map[string]string{}
	}
	r.Attributes[name] = val
	return ""
}

func setFlagProvider(r *policy.Rule, val string) string {
	if r.Provider != "" {
		return "provider is there twice"
	}
	if !slices.Contains(providerWords(), val) {
		return "provider: " + unknown("word", val, providerWords())
	}
	r.Provider = val
	return ""
}

func isPort(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= 1 && n <= maxPort && strconv.Itoa(n) == s
}

// ParseItem reads an item's attributes from KEY=VALUE pairs with the keys of
// the rule flags, one value each and no prefixes.
func ParseItem(pairs []string) (secret.Ref, error) {
	var r policy.Rule
	for _, pair := range pairs {
		key, val, ok := strings.Cut(pair, "=")
		if !ok {
			return secret.Ref{}, fmt.Errorf("want KEY=VALUE, have no \"=\" in %q", shorten(pair))
		}
		if strings.HasSuffix(key, "_prefix") {
			return secret.Ref{}, fmt.Errorf("%q: an item has a whole value, not the beginning of one", shorten(key))
		}
		if text := setFlagKey(&r, key, val); text != "" {
			return secret.Ref{}, errors.New(text)
		}
	}
	ref := secret.Ref{Store: r.Provider, Attributes: map[string]string{}}
	maps.Copy(ref.Attributes, r.Attributes)
	for _, k := range flagKeys(&r) {
		switch {
		case k.to == nil || len(*k.to) == 0:
			continue
		case len(*k.to) > 1:
			return secret.Ref{}, fmt.Errorf("%s is there twice", k.name)
		case k.name == "collection":
			ref.Collection = (*k.to)[0]
		default:
			ref.Attributes[k.name] = (*k.to)[0]
		}
	}
	if len(ref.Attributes) == 0 {
		return secret.Ref{}, errors.New("needs at least one of service, account, server, attr.NAME")
	}
	return ref, nil
}
