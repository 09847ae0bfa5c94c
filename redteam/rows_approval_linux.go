package main

// approvalRows: a yes given from inside. Another run has questions open, and
// inside a program of the same run waits for an answer too; unconfined the other
// run's socket plays both parts.
func approvalRows() []row {
	return []row{
		{id: "I1", title: "answer by the run's own control socket, and by another run's", base: stopped, hard: stopped, tries: []try{
			{"sh (secret-tool lookup service rt:ask1 username me >/dev/null 2>&1 &); echo asked", "asked", "asked", ""},
			{"reach $control", "ok", shut, hidden}, {"reach $othercontrol", "ok", shut, hidden},
			{"approve $control", "ok", shut, hidden}, {"approve $othercontrol", "ok", shut, hidden},
			{"approve $runlink/ctl", "ok", shut, hidden}, {"?now answered", "yes", "no", ""}}},
		{id: "I2", title: "answer by keyhole approve, told where the runs are, the word typed at a terminal of one's own",
			base: stopped, hard: stopped, tries: []try{
				{"approveat $keyhole $run", "ok", "refused", ""}, {"?now answered", "yes", "no", ""}}},
		{id: "I3", title: "answer by a signal to the supervisor", base: stopped, hard: stopped, abi: 6, tries: []try{
			{"poke $poked", "ok", "EPERM", "EPERM|ESRCH"}, {"poke $othersupervisor", "ok", "EPERM", "EPERM|ESRCH"},
			{"?now answered", "yes", "no", ""}}},
		{id: "I4", title: "a run of keyhole inside, with rules of its own", base: stopped, hard: stopped, tries: []try{
			{"sh env KEYHOLE_SESSION= XDG_RUNTIME_DIR=$run DBUS_SESSION_BUS_ADDRESS=unix:path=$realbus $keyhole run --quiet --read service=rt:bank,account=* -- secret-tool lookup service rt:bank username me",
				"bank-secret", "refused", ""}}},
	}
}

// approvalElsewhere are what needs a person at a terminal.
func approvalElsewhere() []elsewhere {
	return []elsewhere{
		{id: "I5", title: "tricks with the terminal at which the person answers: typing, answers of the terminal to escape sequences, a repainted question",
			rows: "D66 D68", file: "integration/approve_terminal_test.go", test: "TestNoAnswerByTheTerminal"},
		{id: "I6", title: "a yes given before, sent again; one yes for another question", file: "internal/control/control_test.go", test: "TestSettle"},
		{id: "I7", title: "a connection that the supervisor made, or that a process of the run has", file: "internal/control/control_test.go", test: "TestTheSupervisorItselfIsTurnedAway"},
	}
}
