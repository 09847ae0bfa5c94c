package secret

// KeychainPrefix starts the names of attributes that keep what a keychain item
// has and other stores have no place for. Programs outside look for none of
// them, so that a rule for an item includes them.
const KeychainPrefix = "keychain:"

// Attributes that keep the rest of a keychain item. An item without KeychainFile
// is in the default keychain.
const (
	KeychainFile     = KeychainPrefix + "file"
	KeychainKind     = KeychainPrefix + "kind"
	KeychainComment  = KeychainPrefix + "comment"
	KeychainGeneric  = KeychainPrefix + "generic"
	KeychainCreator  = KeychainPrefix + "creator"
	KeychainType     = KeychainPrefix + "type"
	KeychainCreated  = KeychainPrefix + "created"
	KeychainModified = KeychainPrefix + "modified"
)

// protocols are the four-character codes of protocols, and what the rest of the
// world calls them: items made for git or by libsecret have these names.
var protocols = [...]struct{ code, name string }{
	{"http", "http"}, {"htps", "https"}, {"htpx", "http-proxy"}, {"htsx", "https-proxy"},
	{"ftp ", "ftp"}, {"ftps", "ftps"}, {"ftpa", "ftp-account"}, {"ftpx", "ftp-proxy"},
	{"ssh ", "ssh"}, {"teln", "telnet"}, {"tels", "telnets"}, {"rtsp", "rtsp"}, {"rtsx", "rtsp-proxy"},
	{"smtp", "smtp"}, {"imap", "imap"}, {"imps", "imaps"}, {"pop3", "pop3"}, {"pops", "pop3s"},
	{"nntp", "nntp"}, {"ntps", "nntps"}, {"ldap", "ldap"}, {"ldps", "ldaps"}, {"irc ", "irc"}, {"ircs", "ircs"},
	{"afp ", "afp"}, {"atlk", "appletalk"}, {"smb ", "smb"}, {"cifs", "cifs"}, {"svn ", "svn"}, {"cvsp", "cvs-pserver"},
	{"daap", "daap"}, {"eppc", "eppc"}, {"ipp ", "ipp"}, {"sox ", "socks"},
}

// ProtocolName is what an item keeps for a keychain's code of a protocol; of an
// unknown one the code.
func ProtocolName(code string) string {
	for _, p := range protocols {
		if p.code == code {
			return p.name
		}
	}
	return code
}

// ProtocolCode is the keychain's code for what an item keeps as its protocol; of
// an unknown one what it keeps, whatever its length.
func ProtocolCode(name string) string {
	for _, p := range protocols {
		if p.name == name {
			return p.code
		}
	}
	return name
}
