package security

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"

	"keyhole/internal/secret"
	"keyhole/internal/wire"
)

// printable tells whether the buffer rule writes a byte as it is.
func printable(c byte) bool { return c >= ' ' && c <= '~' && c != '\\' }

// buffer writes bytes by the tool's rule for them: in hexadecimal if one is not
// printable, as quoted text if one is.
func buffer(b []byte) string {
	some, all := false, true
	for _, c := range b {
		if printable(c) {
			some = true
		} else {
			all = false
		}
	}
	var out strings.Builder
	if !all {
		out.WriteString("0x" + strings.ToUpper(hex.EncodeToString(b)) + " ")
		if some {
			out.WriteByte(' ')
		}
	}
	if some {
		out.WriteByte('"')
		for _, c := range b {
			if printable(c) {
				out.WriteByte(c)
				continue
			}
			out.Write([]byte{'\\', '0' + c>>6, '0' + c>>3&7, '0' + c&7})
		}
		out.WriteByte('"')
	}
	return out.String()
}

// secretLine is what -w prints: the text if all of it is printable ASCII, else
// all of it in hexadecimal.
func secretLine(b []byte) string {
	for _, c := range b {
		if c < ' ' || c > '~' {
			return hex.EncodeToString(b)
		}
	}
	return string(b)
}

const null = "<NULL>"

// attribute is one line of a listing.
type attribute struct{ tag, format, value string }

func blob(tag, value string) attribute {
	if value == "" {
		return attribute{tag, "blob", null}
	}
	return attribute{tag, "blob", buffer([]byte(value))}
}

// code is a number that stands for four characters; any other length is none.
func code(tag, value string) attribute {
	if len(value) != 4 {
		return attribute{tag, "uint32", null}
	}
	return attribute{tag, "uint32", buffer([]byte(value))}
}

func number(tag string, n uint32) attribute {
	return attribute{tag, "uint32", buffer(binary.BigEndian.AppendUint32(nil, n))}
}

func date(tag string, t time.Time) attribute {
	if t.IsZero() {
		return attribute{tag, "timedate", null}
	}
	return attribute{tag, "timedate", buffer([]byte(t.UTC().Format("20060102150405Z") + "\x00"))}
}

func unset(tag, format string) attribute { return attribute{tag, format, null} }

// attributes are the lines of an item's listing, by tag.
func attributes(it *wire.Item) []attribute {
	a := it.Attributes
	label := []attribute{blob("0x00000007 ", it.Label), unset("0x00000008 ", "blob"), blob(`"acct"`, a[keyAccount])}
	created := []attribute{
		date(`"cdat"`, it.Created), code(`"crtr"`, a[secret.KeychainCreator]), unset(`"cusi"`, "sint32"), blob(`"desc"`, a[secret.KeychainKind]),
	}
	comment := []attribute{
		blob(`"icmt"`, a[secret.KeychainComment]), unset(`"invi"`, "sint32"), date(`"mdat"`, it.Modified), unset(`"nega"`, "sint32"),
	}
	kind := code(`"type"`, a[secret.KeychainType])
	if it.Class != secret.InternetPassword {
		return concat(label, created, []attribute{blob(`"gena"`, a[secret.KeychainGeneric])}, comment,
			[]attribute{unset(`"prot"`, "blob"), unset(`"scrp"`, "sint32"), blob(`"svce"`, a[keyService]), kind})
	}
	protocol := number(`"ptcl"`, 0)
	if p := secret.ProtocolCode(a[keyProtocol]); len(p) == 4 {
		protocol = code(`"ptcl"`, p)
	}
	return concat(label, []attribute{blob(`"atyp"`, a[keyAuthType])}, created, comment, []attribute{
		blob(`"path"`, a[keyPath]), number(`"port"`, uint32(uint16(leadingNumber(a[keyPort])))), unset(`"prot"`, "blob"),
		protocol, unset(`"scrp"`, "sint32"), blob(`"sdmn"`, a[keyDomain]), blob(`"srvr"`, a[keyServer]), kind,
	})
}

func concat(lists ...[]attribute) []attribute {
	var all []attribute
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

// listItem prints an item.
func (t *tool) listItem(it *wire.Item) {
	path := t.keychainPath(it.Attributes[secret.KeychainFile])
	version, class := "256", `"genp"`
	if t.modern(path) {
		version = "512"
	}
	if it.Class == secret.InternetPassword {
		class = `"inet"`
	}
	t.out.WriteString("keychain: " + buffer([]byte(path)) + "\nversion: " + version + "\nclass: " + class + "\nattributes:\n")
	for _, a := range attributes(it) {
		t.out.WriteString("    " + a.tag + "<" + a.format + ">=" + a.value + "\n")
	}
}
