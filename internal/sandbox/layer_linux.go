package sandbox

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"keyhole/internal/sandbox/launch"
	"keyhole/internal/sandbox/stage"
)

// bringWalled starts a stage in namespaces of its own and waits until it has
// mounted in them what every run has.
func bringWalled(fds [3]uintptr) (child, error) {
	c, err := spawnWalled(fds)
	if err != nil {
		return child{}, err
	}
	m, fd, err := c.receive()
	switch {
	case err != nil:
	case m.Kind == stage.Failed:
		err = &failure{m.Step, syscall.Errno(m.Errno)}
	case m.Kind != stage.Walled || fd >= 0:
		err = errors.New("internal error: the stage is out of step")
	default:
		c.layer.Hardened = true
		// Now, while nothing else can have come of it.
		if c.root, err = unix.Open("/proc/"+strconv.Itoa(c.pid)+"/root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err == nil {
			return c, nil
		}
	}
	return child{}, errors.Join(err, unix.Close(c.socket), c.end())
}

// failure is what a stage says before it gives up.
type failure struct {
	step  stage.Step
	errno syscall.Errno
}

func (f *failure) Error() string { return f.errno.Error() }

func (f *failure) Unwrap() error { return f.errno }

// Settings of systems that have user namespaces and do not let everybody make
// them. They explain a failure, they do not predict one.
const (
	appArmorSetting = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"
	debianSetting   = "/proc/sys/kernel/unprivileged_userns_clone"
	limitSetting    = "/proc/sys/user/max_user_namespaces"
)

// reason puts into words why there is no hardening layer.
func reason(err error) Layer {
	var f *failure
	inside := errors.As(err, &f) // the namespaces could be made
	var l *launch.Failure
	if errors.As(err, &l) {
		err = l.Errno
	}
	switch {
	case setting(appArmorSetting) == "1" && inside:
		return Layer{Why: "AppArmor lets only programs with a profile of their own have a user namespace",
			Fix: "install keyhole's AppArmor profile for the path it is started from: sudo apparmor_parser -r /etc/apparmor.d/keyhole"}
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EUSERS), setting(limitSetting) == "0":
		return Layer{Why: "no more user namespaces are allowed here",
			Fix: "sudo sysctl user.max_user_namespaces=15000"}
	case setting(debianSetting) == "0":
		return Layer{Why: "only root may make user namespaces here",
			Fix: "sudo sysctl kernel.unprivileged_userns_clone=1"}
	case errors.Is(err, unix.EINVAL) && !inside:
		return Layer{Why: "this kernel has no user, mount, process or IPC namespaces"}
	case inside && f.step == stage.Mounts:
		return Layer{Why: "nothing may be mounted here, as in containers and other sandboxes: " + f.errno.Error(),
			Fix: "run keyhole outside of the container, or as podman run --security-opt unmask=ALL"}
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return Layer{Why: "namespaces are refused here, as in containers and other sandboxes",
			Fix: "run keyhole outside of the container, or allow it user namespaces"}
	default:
		return Layer{Why: fmt.Sprintf("making namespaces: %v", err)}
	}
}

// setting is the text of a kernel setting; empty when there is no such one.
func setting(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
