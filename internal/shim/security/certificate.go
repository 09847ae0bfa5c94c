package security

// There are no certificates and no identities here: every search ends without
// one, in the way that fits its options.

// findCertificate is find-certificate.
func (c *call) findCertificate() int32 {
	g := c.getopt()
	all, mail := false, false
	for {
		letter, ok := g.next()
		if !ok {
			break
		}
		switch letter {
		case 'a':
			all = true
		case 'e':
			mail = true
		case 'c', 'm', 'p', 'Z':
		default:
			return resultUsage
		}
	}
	switch {
	case all:
		return resultOK
	case mail:
		return c.status("SecCertificateFindByEmail", errNotFound)
	default:
		return c.status(searchStep, errNotFound)
	}
}

// policyTitle is a policy's title; false for a word that is none.
func policyTitle(word string) (string, bool) {
	title, ok := map[string]string{
		"basic": "X.509 Basic", "ssl-client": "SSL (client)", "ssl-server": "SSL (server)", "smime": "S/MIME",
		"eap": "EAP", "ipsec": "IPsec", "ichat": "iChat", "codesigning": "Code Signing",
		"sys-default": "System default", "sys-kerberos-kdc": "System Kerberos KDC",
		"macappstore": "Mac App Store", "appleID": "Apple ID",
	}[word]
	return title, ok
}

// findIdentity is find-identity.
func (c *call) findIdentity() int32 {
	g := c.getopt()
	var titles []string
	valid, wanted := false, (*string)(nil)
	for {
		letter, ok := g.next()
		if !ok {
			break
		}
		switch letter {
		case 'p':
			title, ok := policyTitle(g.value)
			if !ok {
				return resultUsage
			}
			titles = append(titles, title)
		case 's':
			word := g.value
			wanted = &word
		case 'v':
			valid = true
		default:
			return resultUsage
		}
	}
	if len(titles) == 0 {
		titles = []string{"X.509 Basic"}
	}
	if wanted != nil {
		c.out.WriteString(`Looking for identities matching "` + *wanted + "\"\n")
	}
	for _, title := range titles {
		if !valid {
			c.out.WriteString("\nPolicy: " + title + "\n  Matching identities\n     0 identities found\n\n  Valid identities only\n")
		}
		c.out.WriteString("     0 valid identities found\n")
	}
	return resultOK
}

// deleteCertificate is delete-certificate.
func (c *call) deleteCertificate() int32 {
	g := c.getopt()
	name, given := "", false
	for {
		letter, ok := g.next()
		if !ok {
			break
		}
		switch letter {
		case 'c', 'Z':
			name, given = g.value, true
		case 't':
		default:
			return resultUsage
		}
	}
	if !given {
		return resultUsage
	}
	c.printErr(`Unable to delete certificate matching "`, name, `"`)
	return resultError
}
