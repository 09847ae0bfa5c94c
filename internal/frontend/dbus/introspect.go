package dbus

import (
	"context"
	"strings"
)

const introspectHead = `<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
`

// introspection writes the interfaces of every kind of object from the tables,
// so that what is described and what is answered cannot differ.
func introspection(rows []method) map[objectKind]string {
	lines := make(map[objectKind]map[string][]string)
	order := make(map[objectKind][]string)
	add := func(kind objectKind, iface, line string) {
		if lines[kind] == nil {
			lines[kind] = make(map[string][]string)
		}
		if lines[kind][iface] == nil {
			order[kind] = append(order[kind], iface)
		}
		lines[kind][iface] = append(lines[kind][iface], line)
	}
	for _, r := range rows {
		add(r.kind, r.iface, `<method name="`+r.name+`">`+argsXML(r.in, "in")+argsXML(r.out, "out")+`</method>`)
	}
	for _, s := range serviceSignals() {
		add(s.kind, s.iface, `<signal name="`+s.name+`">`+argsXML(s.sig, "")+`</signal>`)
	}
	for _, p := range properties() {
		access := "read"
		if p.write {
			access = "readwrite"
		}
		add(p.kind, p.iface, `<property name="`+p.name+`" type="`+p.sig+`" access="`+access+`"/>`)
	}
	out := make(map[objectKind]string)
	for kind, ifaces := range order {
		var b strings.Builder
		for _, iface := range ifaces {
			b.WriteString(` <interface name="` + iface + `">` + "\n  ")
			b.WriteString(strings.Join(lines[kind][iface], "\n  "))
			b.WriteString("\n </interface>\n")
		}
		out[kind] = b.String()
	}
	return out
}

// argsXML describes the complete types of a signature. Signatures hold no
// character that XML would want escaped.
func argsXML(sig, direction string) string {
	var b strings.Builder
	for sig != "" {
		n := typeLen(sig, 0, 0)
		b.WriteString(`<arg type="` + sig[:n] + `"`)
		if direction != "" {
			b.WriteString(` direction="` + direction + `"`)
		}
		b.WriteString("/>")
		sig = sig[n:]
	}
	return b.String()
}

func (k *call) introspect(ctx context.Context) error {
	switch k.obj.kind {
	case kindItem:
		if _, _, err := k.stat(ctx, k.obj.path); err != nil {
			return err
		}
	case kindSession, kindPrompt:
		if !k.exists() {
			return errNoObject()
		}
	}
	var b strings.Builder
	b.WriteString(introspectHead + "<node>\n" + k.srv.methods().xml[k.obj.kind])
	for _, child := range children(k.obj) {
		b.WriteString(` <node name="` + child + `"/>` + "\n")
	}
	b.WriteString("</node>\n")
	k.out.str(b.String())
	return nil
}

// children lists the objects below one that are always there. Items are found
// by the property of their collection.
func children(o object) []string {
	switch o.path {
	case "/":
		return []string{"org"}
	case "/org":
		return []string{"freedesktop"}
	case "/org/freedesktop":
		return []string{"secrets"}
	case rootPath:
		return []string{"aliases", "collection"}
	case rootPath + "/aliases":
		return []string{"default", "login", "session"}
	case rootPath + "/collection":
		return []string{"login", "session"}
	default:
		return nil
	}
}
