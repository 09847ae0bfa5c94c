package profile

import (
	"net/url"
	"slices"
	"strings"

	"keyhole/internal/sandbox/seatbelt"
)

// document is one profile as written, not merged. Its fields method is the
// grammar of a profile.
type document struct {
	file        string
	builtin     bool
	schemaLine  text
	name        text
	description text
	extends     []text
	shims       []text
	wrappers    []wrapper
	openURLs    struct{ allow, ask []text }
	git         struct{ sshToHTTPS text }
	access      []access
	filesystem  struct {
		read, write, deny, files, folders []text
		throwAway                         []entry
	}
	network struct {
		outbound text
		loopback []number
		sockets  []text
	}
	environment struct {
		pass        []text
		set         []entry
		credentials []credential
	}
	macos struct{ mach []text }
}

// access is one rule of credential_access.
type access struct {
	at   position
	note string

	provider                               text
	classes, operations                    []text
	services, servicePrefixes, servers     []text
	protocols, paths                       []text
	ports                                  []number
	accounts, accountPrefixes, collections []text
	attributes                             []entry
	attributeKeys, fields                  []text
	effect, writeTo, reason                text
}

// credential is one variable of environment.credentials.
type credential struct {
	at                       position
	variable                 text
	service, account, decode text
}

func (d *document) grammar() object {
	return object{fields: []field{
		{"$schema", one{&d.schemaLine, kind{}}, false, "Where the JSON Schema of this format is; for editors, keyhole does not read it."},
		{"name", one{&d.name, kind{check: badName, name: "name"}}, false, "Name of the profile, as shown to a person: lower-case letters, digits, `.`, `_`, `-`."},
		{"description", one{&d.description, kind{}}, false, "What the profile is for, in a line."},
		{"extends", list{&d.extends, true, kind{name: "name or path"}}, false, "Profiles this one starts from: names, or paths relative to this file. Everything adds up, and a deny anywhere wins."},
		{"credential_access", objects[access]{&d.access, (*access).grammar}, false, "Rules about keychain and keyring items. What no rule allows does not exist for the command."},
		{"shims", list{&d.shims, false, kind{words: ShimNames()}}, false, "Programs of keyhole's own that come first in the command's PATH and reach, under the names tools know, the items that are granted."},
		{"wrappers", named[wrapper]{&d.wrappers, (*wrapper).key, badWrapper, (*wrapper).grammar}, false, "Tools that use a secret which the command may not have, by the name the command calls them."},
		{"open_urls", section{object{fields: d.openFields()}}, false, "Web addresses the command may have opened in your browser, outside: for logins."},
		{"git", section{object{fields: d.gitFields()}}, false, "How git works inside."},
		{"filesystem", section{object{fields: d.filesystemFields()}}, false, "Files and directories the command may open."},
		{"network", section{object{fields: d.networkFields()}}, false, "What the command may connect to."},
		{"environment", section{object{fields: d.environmentFields()}}, false, "Variables the command gets besides the harmless ones that always pass."},
		{"macos", section{object{fields: []field{
			{"mach_services", list{&d.macos.mach, false, kind{check: badMach, name: "service name"}}, false, "Services of the system that the command may look up, by their whole names, besides those every program needs. One that gives out secrets or starts programs outside is refused."},
		}}}, false, "What only macOS has; elsewhere it is checked and has no effect."},
	}}
}

// badMach keeps shut what the sandbox's last block denies anyway: a grant that
// cannot take effect would look like one.
func badMach(s string) string {
	switch {
	case !seatbelt.MachName(s):
		return "not the name of a Mach service; letters, digits, \".\", \"-\" and \"_\", no wildcard"
	case seatbelt.MachDenied(s):
		return s + " is a way to secrets, or out of the sandbox, and cannot be granted"
	}
	return ""
}

func (d *document) openFields() []field {
	return []field{
		{"allow", list{&d.openURLs.allow, false, kind{check: badHost, name: "host"}}, false, "Hosts of which any http or https address is opened without a question. Whatever is in the address goes there."},
		{"ask", list{&d.openURLs.ask, false, kind{check: badAskHost, name: "host or `*`"}}, false, "Hosts of which an address is opened after your yes; `*` is every host."},
	}
}

func (d *document) gitFields() []field {
	return []field{
		{"ssh_to_https", truth{&d.git.sshToHTTPS}, false, "Whether remotes by ssh (`git@HOST:…`, `ssh://git@HOST/…`) use https where a rule grants a login for the host. Needs the shim `git-credential-keyhole`."},
	}
}

func (d *document) filesystemFields() []field {
	p := kind{expand: path, name: "path"}
	return []field{
		{"read", list{&d.filesystem.read, false, p}, false, "Files, or directories with all below them, that may be read and executed."},
		{"write", list{&d.filesystem.write, false, p}, false, "The same, to be changed as well."},
		{"create_files", list{&d.filesystem.files, false, p}, false, "The same as `write`; a file that is missing is made before the command starts. It is empty, or `{}` if its name ends in `.json`. For programs that keep a single file where they may not create one."},
		{"create_folders", list{&d.filesystem.folders, false, p}, false, "The same as `write`; a folder that is missing is made before the command starts."},
		{"throw_away", pairs{&d.filesystem.throwAway, badSetName, p}, false, "Variables, each with a folder: the command gets a copy of the files in it, by that variable, and may change it; it is gone after the run. For programs whose configuration may not be changed from inside, or must not keep what they write. Folders in it are not copied."},
		{"deny", list{&d.filesystem.deny, false, p}, false, "Takes away what an extended profile grants at or below these paths. A path strictly below a grant is an error: a grant covers all below it."},
	}
}

func (d *document) networkFields() []field {
	return []field{
		{"outbound", one{&d.network.outbound, kind{words: []string{"allow", "deny"}}}, false, "Whether addresses beyond this machine may be reached. Without a word from any profile: deny."},
		{"loopback", ports{&d.network.loopback}, false, "Ports on this machine that may be reached, besides those the command itself listens on."},
		{"unix_sockets", list{&d.network.sockets, false, kind{expand: path, name: "path"}}, false, "Unix sockets that may be connected to; in a folder that the command may write, those that were bound under that name. Whoever listens there acts with your rights."},
	}
}

func (d *document) environmentFields() []field {
	value := kind{empty: true, expand: expanded, check: badSetValue}
	return []field{
		{"pass", list{&d.environment.pass, false, kind{check: badPass, name: "variable name, `*` at its end allowed"}}, false, "Variables to pass on. A pattern never passes a variable that looks like a credential; an exact name does."},
		{"set", pairs{&d.environment.set, badSetName, value}, false, "Variables to set. Not for secrets: use `credentials`."},
		{"credentials", named[credential]{&d.environment.credentials, (*credential).name, badSetName, (*credential).grammar}, false, "Variables that hold an item's bytes, read when the run starts. A rule must allow reading the item."},
	}
}

func (c *credential) name() *text { return &c.variable }

func (c *credential) grammar() object {
	return object{at: &c.at, fields: []field{
		{"service", one{&c.service, kind{expand: expanded}}, true, "The item's service."},
		{"account", one{&c.account, kind{expand: expanded, empty: true}}, true, "The item's account; `\"\"` for an item with an empty one."},
		{"decode", one{&c.decode, kind{words: []string{"auto", "none"}}}, false, "`auto` (default) undoes the prefixes some libraries put before a value, `none` leaves the bytes as they are."},
	}}
}

func (a *access) grammar() object {
	fields := slices.Concat(a.effectFields(), a.matchFields(), a.writeFields())
	return object{fields: fields, at: &a.at, note: &a.note, rules: a.demands()}
}

func (a *access) effectFields() []field {
	operations := []string{"read", "list", "create", "update", "upsert", "delete", "status"}
	return []field{
		{"effect", one{&a.effect, kind{words: []string{"allow", "ask", "deny"}}}, false, "`allow` (default), `ask` a person, or `deny`. Deny beats ask beats allow, whatever the order."},
		{"operations", list{&a.operations, false, kind{words: operations}}, false, "What the rule is about. `read` implies `list`; `upsert` is `create` and `update`; `list` shows an item without its bytes; `status` tells whether the store is locked and comes with every grant. Needed unless the rule denies; a deny rule without it denies everything."},
		{"provider", one{&a.provider, kind{words: providerWords()}}, false, "`system` (default) is the platform's own store: the macOS keychain; on Linux the Secret Service when one answers, else the sealed file."},
		{"classes", list{&a.classes, false, kind{words: []string{"generic-password", "internet-password"}}}, false, "The keychain's classes of items."},
		{"reason", one{&a.reason, kind{}}, false, "Why, in a few words; shown when a person is asked and in the log."},
	}
}

func (a *access) matchFields() []field {
	name := kind{expand: expanded}
	attribute := kind{expand: expanded, empty: true}
	return []field{
		{"services", list{&a.services, false, name}, false, "Services, matched whole."},
		{"service_prefixes", list{&a.servicePrefixes, false, name}, false, "Beginnings of services."},
		{"accounts", list{&a.accounts, false, kind{expand: expanded, empty: true}}, false, "Accounts, matched whole; `\"*\"` is every account and none. A rule that matches by service needs this or `account_prefixes`."},
		{"account_prefixes", list{&a.accountPrefixes, false, name}, false, "Beginnings of accounts."},
		{"servers", list{&a.servers, false, name}, false, "Servers of internet passwords."},
		{"protocols", list{&a.protocols, false, kind{}}, false, "Protocols of internet passwords."},
		{"paths", list{&a.paths, false, attribute}, false, "Paths of internet passwords."},
		{"ports", ports{&a.ports}, false, "Ports of internet passwords."},
		{"attributes", pairs{&a.attributes, badAttribute, attribute}, false, "Attributes an item must have, all of them with just this value; for items without service and account."},
		{"collections", list{&a.collections, false, name}, false, "Collections (keyrings) the item must be in."},
	}
}

func (a *access) writeFields() []field {
	return []field{
		{"write_to", one{&a.writeTo, kind{words: []string{"store", "overlay"}}}, false, "`store` (default), or `overlay`: what is written is kept in memory for this run and shadows the store. If two matching rules differ, overlay wins."},
		{"fields", list{&a.fields, false, kind{}}, false, "Of a value that is a JSON object, the members the rule is about: no others are read, and what is written is merged into the stored object, whose other members stay. A write is refused when another program has changed one of these members since it was read. If several matching rules name fields, all of them count; a rule without is about the whole value."},
		{"attribute_keys", list{&a.attributeKeys, false, kind{check: badAttribute, name: "attribute name"}}, false, "Further attribute names that a create or update may write, besides those the rule matches by and the constants that libraries add (`application`, `target`, `xdg:schema`)."},
	}
}

// providerWords are the stores a rule can name.
func providerWords() []string {
	return []string{"system", "macos-keychain", "secret-service", "sealed-file"}
}

// demands are what keeps a rule from matching more than was meant.
func (a *access) demands() []demand {
	has := func(keys ...string) schema {
		var any []schema
		for _, k := range keys {
			any = append(any, schema{"required": []string{k}})
		}
		return schema{"anyOf": any}
	}
	deny := schema{"required": []string{"effect"}, "properties": schema{"effect": schema{"const": "deny"}}}
	return []demand{
		{a.noSelector, has("services", "service_prefixes", "servers", "attributes")},
		{a.noAccount, schema{"if": has("services", "service_prefixes"), "then": has("accounts", "account_prefixes")}},
		{a.noOperation, schema{"if": schema{"not": deny}, "then": schema{"required": []string{"operations"}}}},
	}
}

func (a *access) noSelector() (position, string) {
	if len(a.services)+len(a.servicePrefixes)+len(a.servers)+len(a.attributes) > 0 {
		return position{}, ""
	}
	return position{}, `a rule needs at least one of "services", "service_prefixes", "servers", "attributes"`
}

func (a *access) noAccount() (position, string) {
	byService := slices.Concat(a.services, a.servicePrefixes)
	if len(byService) == 0 || len(a.accounts)+len(a.accountPrefixes) > 0 {
		return position{}, ""
	}
	return byService[0].at, `a rule that matches by service needs "accounts" or "account_prefixes"; write ["*"] for every account`
}

func (a *access) noOperation() (position, string) {
	if len(a.operations) > 0 || a.effect.value == "deny" {
		return position{}, ""
	}
	return position{}, `needs "operations", unless its effect is "deny"`
}

const maxName = 64

func badName(s string) string {
	good := s != "" && len(s) <= maxName && !strings.ContainsRune("._-", rune(s[0]))
	for _, c := range []byte(s) {
		good = good && ('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-')
	}
	if !good {
		return "a name is lower-case letters, digits, \".\", \"_\" and \"-\", and starts with a letter or digit"
	}
	return ""
}

func badHost(s string) string {
	u, err := url.Parse("https://" + s + "/")
	if err != nil || u.Host != s || s != strings.ToLower(s) || u.Hostname() == "" || strings.ContainsAny(s, "*%@") {
		return "not the lower-case name of a host"
	}
	return ""
}

func badAskHost(s string) string {
	if s == "*" {
		return ""
	}
	return badHost(s)
}

func badAttribute(s string) string {
	if s == "" || hasControl(s) {
		return "not an attribute name"
	}
	return ""
}

func badVariable(s string) string {
	if !isVariable(s) {
		return "not a variable name"
	}
	return ""
}

func isVariable(s string) bool {
	for i, c := range s {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

func badPass(s string) string {
	if wrong := badVariable(strings.TrimSuffix(s, "*")); wrong != "" {
		return wrong
	}
	return badReserved(s)
}

func badSetName(s string) string {
	if wrong := badVariable(s); wrong != "" {
		return wrong
	}
	return badReserved(s)
}

func badReserved(s string) string {
	if slices.Contains(reservedNames(), s) {
		return "keyhole sets " + s + " itself"
	}
	return ""
}

// badSetValue keeps secrets out of profiles: they are read by many eyes and
// kept in repositories.
func badSetValue(s string) string {
	if looksSecret(s) {
		return "the value looks like a credential; keep it in a keyring and name the item in environment.credentials"
	}
	return ""
}
