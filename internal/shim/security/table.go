package security

import "strings"

// command is one row of the table.
type command struct {
	name     string
	options  string // for getopt
	synopsis string
	about    string
	run      func(*call) int32 // nil: refused, see unknown
}

// lookup finds the first command in the table that begins with word. The order
// decides what abbreviations mean.
func lookup(word string) *command {
	for _, c := range commands() {
		if strings.HasPrefix(c.name, word) {
			return &c
		}
	}
	return nil
}

// usage is the text after "Usage: ".
func (c *command) usage() string {
	return c.name + " " + c.synopsis + "\n        " + c.about + "\n"
}

// usage prints the tool's own usage text.
func (t *tool) usage() {
	t.out.WriteString("Usage: " + t.name + " [-h] [-i] [-l] [-p prompt] [-q] [-v] [command] [opt ...]\n" +
		"    -i    Read commands from standard input.\n" +
		"    -l    Look for leaks when done.\n" +
		"    -p    Read commands from standard input, with this prompt.\n" +
		"    -q    Say less.\n" +
		"    -v    Print each command before it runs.\n" +
		t.name + " commands are:\n")
	t.list()
}

// list prints every command with its description.
func (t *tool) list() {
	const column = 36
	for _, c := range commands() {
		t.out.WriteString("    " + c.name + strings.Repeat(" ", max(0, column-len(c.name))) + " " + c.about + "\n")
	}
}

// help prints what commands there are, or the usage of those named. word is what
// asked for it.
func (t *tool) help(word string, names []string) int32 {
	if len(names) == 0 {
		t.list()
		return resultOK
	}
	for _, n := range names {
		cmd := lookup(n)
		if cmd == nil {
			t.complain(word, ": no such command: ", n)
			return resultError
		}
		t.out.WriteString("Usage: " + cmd.usage())
	}
	return resultOK
}

const (
	genericMatch  = "[-a account] [-c creator] [-C type] [-D kind] [-G value] [-j comment] [-l label] [-s service]"
	internetMatch = "[-a account] [-c creator] [-C type] [-d securityDomain] [-D kind] [-j comment] [-l label] [-p path] [-P port] [-r protocol] [-s server] [-t authenticationType]"
	keychains     = "[keychain...]"
	oneKeychain   = "[keychain]"
)

// commands are all of Apple's tool, in its order. Those that cannot do anything
// here are refused as if they were not there, but help knows them. It is a
// function, since its rows lead back to it.
func commands() []command {
	return []command{
		{"help", "", "[command...]", "Show all commands, or how to use some.", (*call).help},
		{"list-keychains", "d:hs", "[-d user|system|common|dynamic] [-s [keychain...]]", "Show or set the keychain search list.", (*call).listKeychains},
		{"list-smartcards", "", "", "Show smart cards.", nil},
		{"default-keychain", "d:hs", "[-d user|system|common|dynamic] [-s [keychain]]", "Show or set the default keychain.", (*call).defaultKeychain},
		{"login-keychain", "d:hs", "[-d user|system|common|dynamic] [-s [keychain]]", "Show or set the login keychain.", (*call).loginKeychain},
		{"create-keychain", "hp:P", "[-P] [-p password] [keychain...]", "Create keychains.", (*call).createKeychain},
		{"delete-keychain", "h", "keychain...", "Delete keychains.", (*call).deleteKeychain},
		{"lock-keychain", "ah", "[-a | keychain]", "Lock a keychain, or all.", (*call).lockKeychain},
		{"unlock-keychain", "hp:u", "[-u] [-p password] [keychain]", "Unlock a keychain.", (*call).unlockKeychain},
		{"set-keychain-settings", "hlt:u", "[-l] [-u] [-t seconds] [keychain]", "Set when a keychain locks itself.", (*call).setKeychainSettings},
		{"set-keychain-password", "ho:p:", "[-o oldPassword] [-p newPassword] [keychain]", "Set the password of a keychain.", (*call).setKeychainPassword},
		{"show-keychain-info", "s", "[-s] [keychain]", "Show the settings of a keychain.", (*call).showKeychainInfo},
		{"dump-keychain", "adhiro:", "[-adir] [-o file] [keychain...]", "Show what keychains hold.", (*call).dumpKeychain},
		{"create-keypair", "", "", "Create a pair of keys.", nil},
		{"add-generic-password", ":a:c:C:D:G:j:l:s:p:w:X:UAT:h", "-a account -s service [-w password | -X hexPassword] [-c creator] [-C type] [-D kind] [-G value] [-j comment] [-l label] [-A | -T application...] [-U] [keychain]", "Add a generic password item.", (*call).add},
		{"add-internet-password", ":a:c:C:d:D:j:l:p:P:r:s:t:w:X:UAT:h", "-a account -s server [-w password | -X hexPassword] [-c creator] [-C type] [-d securityDomain] [-D kind] [-j comment] [-l label] [-p path] [-P port] [-r protocol] [-t authenticationType] [-A | -T application...] [-U] [keychain]", "Add an internet password item.", (*call).add},
		{"add-certificates", "", "", "Add certificates to a keychain.", nil},
		{"find-generic-password", "ha:c:C:D:G:j:l:s:wg", genericMatch + " [-g] [-w] " + keychains, "Find a generic password item.", (*call).find},
		{"delete-generic-password", "ha:c:C:D:G:j:l:s:g", genericMatch + " " + keychains, "Delete a generic password item.", (*call).delete},
		{"set-generic-password-partition-list", ":a:c:C:D:G:j:l:s:S:k:", "-S partitions [-k keychainPassword] " + genericMatch + " " + oneKeychain, "Set which programs may use generic password items.", (*call).partitions},
		{"find-internet-password", "ha:c:C:d:D:hgj:l:p:P:r:s:wt:", internetMatch + " [-g] [-w] " + keychains, "Find an internet password item.", (*call).find},
		{"delete-internet-password", "ha:c:C:d:D:hgj:l:p:P:r:s:t:", internetMatch + " " + keychains, "Delete an internet password item.", (*call).delete},
		{"set-internet-password-partition-list", "a:c:C:d:D:j:l:p:P:r:s:S:t:k:", "-S partitions [-k keychainPassword] " + internetMatch + " " + oneKeychain, "Set which programs may use internet password items.", (*call).partitions},
		{"find-key", "", "", "Find keys.", nil},
		{"set-key-partition-list", ":a:c:dD:ej:k:l:rsS:t:uvw", "-S partitions [-k keychainPassword] [-derstuvw] [-a label] [-c creator] [-D kind] [-j comment] [-l label] [keychain]", "Set which programs may use keys.", (*call).keyPartitions},
		{"find-certificate", "hac:e:mpZ", "[-a] [-c name] [-e email] [-m] [-p] [-Z] " + keychains, "Find certificates.", (*call).findCertificate},
		{"find-identity", "hp:s:v", "[-p policy] [-s string] [-v] " + keychains, "Find identities.", (*call).findIdentity},
		{"delete-certificate", "hc:Z:t", "(-c name | -Z hash) [-t] " + keychains, "Delete a certificate.", (*call).deleteCertificate},
		{"delete-identity", "", "", "Delete an identity.", nil},
		{"set-identity-preference", "", "", "Set which identity a service prefers.", nil},
		{"get-identity-preference", "", "", "Show which identity a service prefers.", nil},
		{"create-db", "", "", "Create a database.", nil},
		{"export", "", "", "Export items.", nil},
		{"import", "", "", "Import items.", nil},
		{"export-smartcard", "", "", "Export items of a smart card.", nil},
		{"cms", "", "", "Work with CMS messages.", nil},
		{"install-mds", "", "", "Install the module directory.", nil},
		{"add-trusted-cert", "", "", "Trust a certificate.", nil},
		{"remove-trusted-cert", "", "", "Trust a certificate no more.", nil},
		{"dump-trust-settings", "", "", "Show what is trusted.", nil},
		{"user-trust-settings-enable", "", "", "Show or set whether the user may trust certificates.", nil},
		{"trust-settings-export", "", "", "Export what is trusted.", nil},
		{"trust-settings-import", "", "", "Import what is trusted.", nil},
		{"verify-cert", "", "", "Verify certificates.", nil},
		{"authorize", "ucC:EpdPieqwxl", "[option...] right...", "Ask for rights.", (*call).authorize},
		{"authorizationdb", "", "", "Show or change what rights need.", nil},
		{"execute-with-privileges", "", "", "Run a program with privileges.", nil},
		{"leaks", "", "", "Look for leaks.", nil},
		{"error", "", "code...", "Explain error codes.", (*call).errors},
		{"create-filevaultmaster-keychain", "", "", "Create a keychain for FileVault recovery.", nil},
		{"smartcards", "", "", "Enable or disable smart cards.", nil},
		{"translocate-policy-check", "", "", "Check whether a path would be translocated.", nil},
		{"translocate-status-check", "", "", "Check whether a path is translocated.", nil},
		{"translocate-original-path", "", "", "Show where a translocated path comes from.", nil},
		{"requirement-evaluate", "", "", "Evaluate a code requirement.", nil},
		{"filevault", "", "", "Work with FileVault.", nil},
		{"platformsso", "", "", "Work with platform single sign-on.", nil},
	}
}
