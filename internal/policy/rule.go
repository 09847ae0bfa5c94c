package policy

import (
	"slices"
	"strings"

	"keyhole/internal/secret"
)

// overlayStore is the Ref.Store of items in the run's own memory. They stand
// for items of whatever store a rule names.
const overlayStore = "overlay"

// implied are the attribute names a create may write under any rule: what
// places an item in the normalised view, and the constants that libraries add;
// names with secret.KeychainPrefix as well.
var implied = [...]string{
	"service", "account", "username", "user",
	"application", "target", secret.SchemaKey,
}

// impliedByServer are those a rule with servers adds.
var impliedByServer = [...]string{
	"server", "protocol", "port", "path", "object", "domain", "authtype", "label", "docker_cli",
}

// applies tells whether the rule speaks about op on item.
func (r *Rule) applies(op Operation, item secret.Ref) bool {
	if !r.names(op) || !r.matches(item) {
		return false
	}
	return op != Create || r.Effect == Deny || r.allowsKeys(item.Attributes)
}

func (r *Rule) names(op Operation) bool {
	return r.Operations == nil || slices.Contains(r.Operations, op)
}

// matches tests the item's own attributes; a nil field does not constrain.
func (r *Rule) matches(item secret.Ref) bool {
	inMemory := item.Store == overlayStore
	return (r.serves(item.Store) || inMemory) &&
		(r.Collections == nil || inMemory || slices.Contains(r.Collections, item.Collection)) &&
		(r.Classes == nil || slices.Contains(r.Classes, item.Class())) &&
		r.matchesService(item) && r.matchesServer(item) && r.matchesAccount(item) &&
		secret.Query{Attributes: r.Attributes}.Matches(item)
}

// serves tells whether the rule is about this store.
func (r *Rule) serves(store string) bool {
	return r.Provider == "" || r.Provider == "system" || r.Provider == store
}

func (r *Rule) matchesService(item secret.Ref) bool {
	if r.Services == nil && r.ServicePrefixes == nil {
		return true
	}
	svc, ok := item.Service()
	return ok && oneOf(svc, r.Services, r.ServicePrefixes)
}

func (r *Rule) matchesServer(item secret.Ref) bool {
	path, _ := item.Path()
	return contains(r.Servers, item.Attributes["server"]) &&
		contains(r.Protocols, item.Attributes["protocol"]) &&
		contains(r.Ports, item.Attributes["port"]) &&
		contains(r.Paths, path)
}

// matchesAccount: an item without an account has the empty one.
func (r *Rule) matchesAccount(item secret.Ref) bool {
	acct, _ := item.Account()
	return r.coversAccount(acct)
}

func (r *Rule) coversAccount(acct string) bool {
	if r.Accounts == nil && r.AccountPrefixes == nil {
		return true
	}
	return slices.Contains(r.Accounts, "*") || oneOf(acct, r.Accounts, r.AccountPrefixes)
}

// allowsKeys tells whether a created item may have these attribute names. Other
// names could plant a credential that programs outside find by them.
func (r *Rule) allowsKeys(attrs map[string]string) bool {
	for k := range attrs {
		if slices.Contains(implied[:], k) || strings.HasPrefix(k, secret.KeychainPrefix) || slices.Contains(r.AttributeKeys, k) {
			continue
		}
		if _, ok := r.Attributes[k]; ok {
			continue
		}
		if r.Servers == nil || !slices.Contains(impliedByServer[:], k) {
			return false
		}
	}
	return true
}

func contains(list []string, s string) bool {
	return list == nil || slices.Contains(list, s)
}

func oneOf(s string, exact, prefixes []string) bool {
	return slices.Contains(exact, s) ||
		slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(s, p) })
}
