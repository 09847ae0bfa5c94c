package cli

import (
	"path/filepath"

	"keyhole/internal/audit"
	"keyhole/internal/secret"
)

// The numbers of OCSF 1.3 that are used, https://schema.ocsf.io/1.3.0/classes/api_activity.
const (
	ocsfVersion    = "1.3.0"
	ocsfCategory   = 6    // Application Activity
	ocsfClass      = 6003 // API Activity
	ocsfCreate     = 1
	ocsfRead       = 2
	ocsfUpdate     = 3
	ocsfDelete     = 4
	ocsfOther      = 99
	ocsfInfo       = 1 // severities
	ocsfLow        = 2
	ocsfSuccess    = 1 // statuses
	ocsfFailure    = 2
	ocsfAllowed    = 1 // actions
	ocsfDenied     = 2
	ocsfRegular    = 1 // type of a file
	ocsfActionNone = 0
)

type ocsf map[string]any

// ocsfEvent is a record as an event of the class API Activity.
func ocsfEvent(r audit.Record) ocsf {
	activity := map[string]int{"create": ocsfCreate, "read": ocsfRead, "list": ocsfRead, "update": ocsfUpdate, "delete": ocsfDelete}[r.Operation]
	if activity == 0 {
		activity = ocsfOther
	}
	severity, outcome, action := ocsfInfo, ocsfSuccess, ocsfActionNone
	switch {
	case r.Effect == "deny":
		severity, outcome, action = ocsfLow, ocsfFailure, ocsfDenied
	case r.Effect == "allow":
		action = ocsfAllowed
	case r.Kind == audit.Failed:
		severity, outcome = ocsfLow, ocsfFailure
	}
	operation := r.Operation
	if operation == "" {
		operation = string(r.Kind)
	}
	e := ocsf{
		"category_uid": ocsfCategory, "class_uid": ocsfClass, "activity_id": activity, "type_uid": ocsfClass*100 + activity,
		"activity_name": operation, "time": r.Time.UnixMilli(), "severity_id": severity,
		"status_id": outcome, "action_id": action, "count": max(r.Count, 1), "message": r.Detail,
		"metadata":     ocsf{"version": ocsfVersion, "uid": r.Prev, "sequence": r.N, "correlation_uid": r.Session, "product": ocsf{"name": "keyhole", "vendor_name": "keyhole"}},
		"api":          ocsf{"operation": operation, "service": ocsf{"name": frontEnd(r)}},
		"actor":        ocsfActor(r.Principal),
		"src_endpoint": ocsf{"uid": r.Session, "name": "localhost"},
		"unmapped":     ocsf{"kind": string(r.Kind), "rule": r.Rule, "target": r.Target, "of": r.Of},
	}
	if i := r.Item; i != nil {
		e["resources"] = []ocsf{{"type": i.Class, "name": i.Name(), "group": ocsf{"name": i.Store}, "data": i}}
	}
	return clean(e).(ocsf)
}

func frontEnd(r audit.Record) string {
	if r.Principal == nil {
		return ""
	}
	return r.Principal.FrontEnd
}

func ocsfActor(p *audit.Principal) ocsf {
	if p == nil {
		return ocsf{"app_name": "keyhole"}
	}
	actor := ocsf{"user": ocsf{"uid": number(int64(p.UID))}, "process": ocsf{"pid": p.PID}}
	if p.UID == 0 {
		actor["user"] = ocsf{"uid": "0"}
	}
	// The chain is who asked, then who started that.
	var parent ocsf
	for i := len(p.Chain) - 1; i >= 0; i-- {
		c := p.Chain[i]
		process := ocsf{"pid": c.PID, "file": ocsf{"name": filepath.Base(c.Exe), "path": c.Exe, "type_id": ocsfRegular}}
		if parent != nil {
			process["parent_process"] = parent
		}
		parent = process
	}
	if parent != nil {
		actor["process"] = parent
	}
	return actor
}

// clean shows every text escaped, as on a screen.
func clean(v any) any {
	switch v := v.(type) {
	case ocsf:
		for k, e := range v {
			v[k] = clean(e)
		}
		return v
	case []ocsf:
		for i := range v {
			v[i] = clean(v[i]).(ocsf)
		}
		return v
	case string:
		return secret.Printable(v)
	default:
		return v
	}
}
