package security

import (
	"errors"
	"strconv"
	"strings"
	"syscall"

	"keyhole/internal/wire"
)

// Statuses of the framework that the tool gives out.
const (
	errNoAccess        = -25293 // errSecAuthFailed
	errReadOnly        = -25292
	errNoKeychain      = -25294 // errSecNoSuchKeychain
	errInvalidKeychain = -25295
	errKeychainExists  = -25296
	errDuplicate       = -25299
	errNotFound        = -25300
	errTooLarge        = -25302
	errNoDefault       = -25307
	errInteraction     = -25308 // errSecInteractionNotAllowed
	errCancelled       = -128
	systemErrors       = 100000 // plus errno
)

// statusOf is what a reply's code is in the framework's words. Not granted is
// not there; refused what is there is "not correct"; a store that is locked, or
// that cannot be reached, needs a person who is not asked.
func statusOf(code wire.Code, errno uint32) int32 {
	switch code {
	case wire.OK:
		return resultOK
	case wire.NotFound:
		return errNotFound
	case wire.Exists:
		return errDuplicate
	case wire.Denied, wire.Forbidden:
		return errNoAccess
	case wire.Refused, wire.Dismissed:
		return errCancelled
	case wire.Unsupported:
		return errReadOnly
	case wire.TooLarge:
		return errTooLarge
	case wire.System:
		return systemErrors + int32(min(errno, 4095))
	default: // locked, pending, unavailable, not understood
		return errInteraction
	}
}

// texts are the framework's, in English.
func statusText(s int32) string {
	switch s {
	case 0:
		return "No error."
	case -25320:
		return "In dark wake, no UI possible"
	case -25319:
		return "The specified preferences domain is not valid."
	case -25317:
		return "The contents of this item cannot be modified."
	case -25316:
		return "The contents of this item cannot be retrieved."
	case -25315:
		return "User interaction is required, but is currently not allowed."
	case -34018:
		return "A required entitlement isn't present."
	case -25312:
		return "A required component (data storage module) could not be loaded. You may need to restart your computer."
	case -25310:
		return "This keychain was created by a different version of the system software and cannot be opened."
	case -25309:
		return "The specified attribute could not be modified."
	case errInteraction:
		return "User interaction is not allowed."
	case errNoDefault:
		return "A default keychain could not be found."
	case -25306:
		return "The specified item does not appear to be a valid keychain item."
	case -25305:
		return "Unable to search the current keychain."
	case -25304:
		return "The specified item is no longer valid. It may have been deleted from the keychain."
	case -25303:
		return "The specified attribute does not exist."
	case errTooLarge:
		return "This item contains information which is too large or in a format that cannot be displayed."
	case -25301:
		return "There is not enough memory available to use the specified item."
	case errNotFound:
		return "The specified item could not be found in the keychain."
	case errDuplicate:
		return "The specified item already exists in the keychain."
	default:
		return moreText(s)
	}
}

func moreText(s int32) string {
	switch s {
	case errKeychainExists:
		return "A keychain with the same name already exists."
	case errInvalidKeychain:
		return "The specified keychain is not a valid keychain file."
	case errNoKeychain:
		return "The specified keychain could not be found."
	case errNoAccess:
		return "The user name or passphrase you entered is not correct."
	case errReadOnly:
		return "This keychain cannot be modified."
	case -25291:
		return "No keychain is available. You may need to restart your computer."
	case -26275:
		return "Unable to decode the provided data."
	case -25243:
		return "The specified item has no access control."
	case errCancelled:
		return "User canceled the operation."
	case -108:
		return "Failed to allocate memory."
	case -60008:
		return "Unable to obtain authorization for this operation."
	case -60007:
		return "The authorization was denied since no user interaction was possible."
	case -60006:
		return "The authorization was canceled by the user."
	case -60005:
		return "The authorization was denied."
	case -61:
		return "Write permissions error."
	case -50:
		return "One or more parameters passed to a function were not valid."
	case -36:
		return "I/O error."
	case -4:
		return "Function or operation not implemented."
	}
	if s > systemErrors && s < systemErrors+1000 {
		return "UNIX[" + systemText(syscall.Errno(s-systemErrors)) + "]"
	}
	return "unknown error " + strconv.Itoa(int(s)) + "=" + strconv.FormatUint(uint64(int64(s)), 16)
}

// systemText is the system's text as C has it.
func systemText(n syscall.Errno) string {
	text := n.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}

// asker is the connection to the supervisor, made when it is first needed.
type asker struct {
	conn *wire.Conn
	err  error
}

// unreachable stands for a supervisor that does not answer.
var unreachable = wire.Reply{Code: wire.Unavailable}

// ask sends a request. A supervisor that cannot be reached is a reply too; it is
// never "not found".
func (t *tool) ask(r *wire.Request) *wire.Reply {
	a := &t.asker
	if a.conn == nil && a.err == nil {
		a.dial(&t.env)
	}
	if a.err != nil {
		return &unreachable
	}
	reply, err := a.conn.Do(r)
	switch {
	case errors.Is(err, wire.ErrTooLarge):
		return &wire.Reply{Code: wire.TooLarge}
	case err != nil:
		// The next request tries again.
		a.close()
		return &unreachable
	}
	return reply
}

func (a *asker) dial(env *Env) {
	path, err := wire.Socket(env.Argv0, env.Getenv)
	if err == nil {
		a.conn, err = wire.Dial(path)
	}
	a.err = err
}

func (a *asker) close() {
	if a.conn != nil {
		// Nothing is on its way any more.
		_ = a.conn.Close()
		a.conn = nil
	}
}
