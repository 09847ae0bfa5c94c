package dbus

import (
	"context"
	"strconv"
)

// The bus itself, as in the D-Bus Specification, "Message Bus Messages", as far
// as a client on its way to a secret uses it. A client sees the bus, the service
// and itself; other connections do not exist for it.

func driverMethods() []method {
	row := func(name, in, out string, run func(*call, context.Context) error) method {
		return method{kindDriver, driverName, name, in, out, run}
	}
	return []method{
		row("Hello", "", "s", (*call).hello),
		row("AddMatch", "s", "", (*call).addMatch),
		row("RemoveMatch", "s", "", (*call).removeMatch),
		row("GetNameOwner", "s", "s", (*call).getNameOwner),
		row("NameHasOwner", "s", "b", (*call).nameHasOwner),
		row("ListQueuedOwners", "s", "as", (*call).listQueuedOwners),
		row("StartServiceByName", "su", "u", (*call).startService),
		row("ListNames", "", "as", (*call).listNames),
		row("ListActivatableNames", "", "as", (*call).listActivatable),
		row("GetId", "", "s", (*call).getID),
		row("GetConnectionUnixUser", "s", "u", (*call).getUser),
		row("GetConnectionCredentials", "s", "a{sv}", (*call).getCredentials),
		row("GetConnectionUnixProcessID", "s", "u", (*call).refuseDriver),
		row("GetConnectionSELinuxSecurityContext", "s", "ay", (*call).refuseDriver),
		row("GetAdtAuditSessionData", "s", "ay", (*call).refuseDriver),
		row("RequestName", "su", "u", (*call).refuseDriver),
		row("ReleaseName", "s", "u", (*call).refuseDriver),
		row("UpdateActivationEnvironment", "a{ss}", "", (*call).refuseDriver),
		row("ReloadConfig", "", "", (*call).refuseDriver),
	}
}

func (k *call) refuseDriver(context.Context) error {
	return &fault{nameAccessDenied, "keyhole: this bus has one service and does not do this"}
}

// hello names the connection; until then nothing else is answered.
func (k *call) hello(context.Context) error {
	if k.c.name != "" {
		return &fault{nameFailed, "Already handled an Hello message"}
	}
	k.c.name = clientName(k.c.number)
	k.out.str(k.c.name)
	var body encoder
	body.str(k.c.name)
	k.after = append(k.after, func() {
		k.c.send(&message{kind: typeSignal, flags: flagNoReply, path: driverPath, iface: driverName,
			member: "NameAcquired", dest: k.c.name, sender: driverName, sig: "s", body: body.b})
	})
	return nil
}

func (k *call) addMatch(context.Context) error {
	text := k.in.str()
	if len(text) > maxRule {
		return &fault{nameLimitsExceeded, "Match rule is too long"}
	}
	r, err := parseMatchRule(text)
	if err != nil {
		return &fault{nameMatchInvalid, err.Error()}
	}
	k.c.mu.Lock()
	defer k.c.mu.Unlock()
	if len(k.c.rules) >= maxRules || k.srv.rules.Add(r.cost) > allRules {
		if len(k.c.rules) < maxRules {
			k.srv.rules.Add(-r.cost)
		}
		return &fault{nameLimitsExceeded, "Too many match rules"}
	}
	k.c.rules = append(k.c.rules, r)
	return nil
}

func (k *call) removeMatch(context.Context) error {
	r, err := parseMatchRule(k.in.str())
	if err != nil {
		return &fault{nameMatchInvalid, err.Error()}
	}
	k.c.mu.Lock()
	defer k.c.mu.Unlock()
	for i, have := range k.c.rules {
		if have.canon == r.canon {
			k.c.rules = append(k.c.rules[:i], k.c.rules[i+1:]...)
			k.srv.rules.Add(-have.cost)
			return nil
		}
	}
	return &fault{nameMatchNotFound, "The given match rule was not found and can't be removed"}
}

// owner returns the unique name behind a name. Unique names own themselves:
// libsecret watches the service's while it prompts.
func (k *call) owner(name string) (string, bool) {
	switch name {
	case serviceName, uniqueName:
		return uniqueName, true
	case driverName, k.c.name:
		return name, true
	default:
		return "", false
	}
}

// known reads a name that must have an owner.
func (k *call) known() (string, error) {
	name := k.in.str()
	owner, ok := k.owner(name)
	if ok {
		return owner, nil
	}
	if !validBusName(name) {
		return "", &fault{nameInvalidArgs, "Not a valid bus name"}
	}
	return "", &fault{nameNoOwner, "Could not get owner of name '" + name + "': no such name"}
}

func (k *call) getNameOwner(context.Context) error {
	owner, err := k.known()
	k.out.str(owner)
	return err
}

func (k *call) nameHasOwner(context.Context) error {
	_, ok := k.owner(k.in.str())
	k.out.boolean(ok)
	return nil
}

func (k *call) listQueuedOwners(context.Context) error {
	owner, err := k.known()
	k.out.strings([]string{owner})
	return err
}

func (k *call) startService(context.Context) error {
	const alreadyRunning = 2
	name := k.in.str()
	if name != serviceName {
		if !validBusName(name) {
			return &fault{nameInvalidArgs, "Not a valid bus name"}
		}
		return &fault{nameServiceUnknown, "The name " + name + " was not provided by any .service files"}
	}
	k.out.u32(alreadyRunning)
	return nil
}

func (k *call) listNames(context.Context) error {
	k.out.strings([]string{driverName, serviceName, uniqueName, k.c.name})
	return nil
}

func (k *call) listActivatable(context.Context) error {
	k.out.strings([]string{driverName, serviceName})
	return nil
}

func (k *call) getID(context.Context) error {
	k.out.str(k.srv.guid)
	return nil
}

// getUser tells the caller its own uid for every name there is: who runs the
// supervisor is the same user, and nothing else is to be told.
func (k *call) getUser(context.Context) error {
	_, err := k.known()
	k.out.u32(k.c.who.UID)
	return err
}

func (k *call) getCredentials(context.Context) error {
	_, err := k.known()
	m := k.out.array(8)
	k.out.str("UnixUserID")
	k.out.signature("u")
	k.out.u32(k.c.who.UID)
	k.out.end(m)
	return err
}

func clientName(number uint64) string { return ":1." + strconv.FormatUint(number, 10) }
