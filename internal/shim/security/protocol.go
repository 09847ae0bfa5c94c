package security

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

// protocolName is what an item keeps for a code; of an unknown one the code.
func protocolName(code string) string {
	for _, p := range protocols {
		if p.code == code {
			return p.name
		}
	}
	return code
}

// protocolCode is the code for what an item keeps: four bytes, or empty when
// there is none that fits.
func protocolCode(name string) string {
	for _, p := range protocols {
		if p.name == name {
			return p.code
		}
	}
	if len(name) == 4 {
		return name
	}
	return ""
}
