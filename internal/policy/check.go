package policy

import (
	"slices"
	"strings"

	"keyhole/internal/secret"
)

// check refuses a rule that would match everything, or that says less than its
// writer must have meant.
func (r *Rule) check() error {
	if err := r.checkEmpty(); err != nil {
		return err
	}
	if r.Services == nil && r.ServicePrefixes == nil && r.Servers == nil && r.Attributes == nil {
		return r.fault("", "a rule needs at least one of services, service_prefixes, servers, attributes")
	}
	if r.Effect == Deny && r.Fields != nil {
		return r.fault("fields", "a rule that denies is about the whole item; grant the fields that are meant instead")
	}
	if r.Effect == Deny {
		return r.checkValues()
	}
	if r.Operations == nil {
		return r.fault("operations", "a rule that grants must say which operations")
	}
	byService := r.Services != nil || r.ServicePrefixes != nil
	if byService && r.Accounts == nil && r.AccountPrefixes == nil {
		return r.fault("accounts", `a rule by service needs accounts or account_prefixes; "*" is every account`)
	}
	return r.checkValues()
}

func (r *Rule) checkEmpty() error {
	lists := []struct {
		key  string
		list []string
	}{
		{"services", r.Services}, {"service_prefixes", r.ServicePrefixes}, {"servers", r.Servers},
		{"protocols", r.Protocols}, {"paths", r.Paths}, {"ports", r.Ports}, {"accounts", r.Accounts},
		{"account_prefixes", r.AccountPrefixes}, {"attribute_keys", r.AttributeKeys}, {"collections", r.Collections},
		{"fields", r.Fields},
	}
	for _, l := range lists {
		if l.list != nil && len(l.list) == 0 {
			return r.fault(l.key, "an empty list matches nothing; leave the key out or name something")
		}
	}
	switch {
	case r.Attributes != nil && len(r.Attributes) == 0:
		return r.fault("attributes", "an empty map would match everything")
	case r.Classes != nil && len(r.Classes) == 0:
		return r.fault("classes", "an empty list matches nothing; leave the key out or name something")
	case r.Operations != nil && len(r.Operations) == 0:
		return r.fault("operations", "an empty list grants nothing; leave the rule out or name something")
	}
	return nil
}

func (r *Rule) checkValues() error {
	if r.Effect > Allow || r.WriteTo > Overlay {
		return r.fault("", "internal error: unknown effect or target")
	}
	for _, op := range r.Operations {
		if op < Read || op > Status {
			return r.fault("operations", "internal error: unknown "+op.String())
		}
	}
	for _, c := range r.Classes {
		if c != secret.GenericPassword && c != secret.InternetPassword {
			return r.fault("classes", "internal error: unknown class")
		}
	}
	for key, list := range map[string][]string{"service_prefixes": r.ServicePrefixes, "account_prefixes": r.AccountPrefixes} {
		if slices.Contains(list, "") {
			return r.fault(key, "the empty prefix would match everything")
		}
	}
	for key, list := range map[string][]string{"services": r.Services, "servers": r.Servers} {
		if slices.Contains(list, "*") {
			return r.fault(key, `"*" is no service; name them, or use a prefix`)
		}
	}
	for _, a := range r.Accounts {
		if len(a) > 1 && strings.Contains(a, "*") {
			return r.fault("accounts", `"*" stands alone for every account; use account_prefixes for a part`)
		}
	}
	return nil
}

func (r *Rule) fault(key, text string) error {
	return &RuleError{Source: r.Source, Key: key, Text: text}
}

// checkCreates refuses a create outside of what can be seen: its refusal when
// something is already there would tell that something invisible exists.
func (s *Set) checkCreates() error {
	for i := range s.rules {
		r := &s.rules[i]
		if r.Effect == Deny || !slices.Contains(r.Operations, Create) {
			continue
		}
		if !slices.ContainsFunc(s.rules, func(v Rule) bool { return v.shows() && v.covers(r) }) {
			return r.fault("operations", "create must lie inside a rule that grants read or list")
		}
	}
	return nil
}

func (r *Rule) shows() bool {
	return r.Effect != Deny && (r.names(Read) || r.names(List))
}

// covers tells whether every item r could match is matched by v too. It may say
// no where a cleverer comparison would say yes.
func (v *Rule) covers(r *Rule) bool {
	if v.Provider != "" && v.Provider != "system" && v.Provider != r.Provider {
		return false
	}
	if v.Classes != nil && !subset(r.Classes, v.Classes) {
		return false
	}
	for k, want := range v.Attributes {
		if got, ok := r.Attributes[k]; !ok || got != want {
			return false
		}
	}
	return coversNames(v.Services, v.ServicePrefixes, r.Services, r.ServicePrefixes) &&
		(slices.Contains(v.Accounts, "*") || coversNames(v.Accounts, v.AccountPrefixes, r.Accounts, r.AccountPrefixes)) &&
		coversNames(v.Servers, nil, r.Servers, nil) && coversNames(v.Protocols, nil, r.Protocols, nil) &&
		coversNames(v.Paths, nil, r.Paths, nil) && coversNames(v.Ports, nil, r.Ports, nil) &&
		coversNames(v.Collections, nil, r.Collections, nil)
}

func coversNames(exact, prefixes, narrow, narrowPrefixes []string) bool {
	if exact == nil && prefixes == nil {
		return true
	}
	if narrow == nil && narrowPrefixes == nil {
		return false
	}
	for _, s := range narrow {
		if s == "*" || !oneOf(s, exact, prefixes) {
			return false
		}
	}
	for _, p := range narrowPrefixes {
		if !oneOf(p, nil, prefixes) {
			return false
		}
	}
	return true
}

func subset(a, b []secret.Class) bool {
	return a != nil && !slices.ContainsFunc(a, func(c secret.Class) bool { return !slices.Contains(b, c) })
}
