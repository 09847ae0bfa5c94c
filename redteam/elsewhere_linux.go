package main

func elsewheres() []elsewhere {
	return append([]elsewhere{
		{id: "B46", title: "connect after the supervisor was killed", file: "integration/run_test.go", test: "TestSupervisorKilled"},
		{id: "A40", title: "any of these where nobody can decide on connects, or inside of another run", file: "internal/sandbox/static_linux_test.go", test: "TestStatic"},
		{id: "A41", title: "the name of a socket that the profile names, given to another one", file: "internal/sandbox/named_linux_test.go", test: "TestNamedSocketWhereTheCommandWrites"},
		{id: "D63", title: "signals to the process group that the command is started in", file: "internal/sandbox/group_linux_test.go", test: "TestSignalsToTheGroup"},
		{id: "D67", title: "typing into a virtual console (TIOCLINUX)", file: "internal/sandbox/filter/filter_test.go", test: "TestActions"},
		{id: "D77", title: "live on after a kill -9 of the supervisor", file: "internal/sandbox/lifecycle_linux_test.go", test: "TestKilledSupervisor"},
		{id: "D78", title: "a fork storm", file: "internal/sandbox/lifecycle_linux_test.go", test: "TestNothingIsLeft"},
		{id: "D80", title: "connects that hang", file: "internal/sandbox/race_linux_test.go", test: "TestHangingConnectsBlockNobody"},
		{id: "E101", title: "a path that the profile names in the workspace, made a link by an earlier run", file: "internal/profile/check_test.go", test: "TestCheckLinksOfEarlierRuns"},
		{id: "E102", title: "another repository in the place of the workspace's", file: "internal/session/later_test.go", test: "TestLaterIsReported"},
		{id: "E103", title: "a link, put where a wrapped tool may read, that leads to what is not granted", file: "integration/wrapper_test.go", test: "TestWrapperFollowsNoNewLink"},
		{id: "E104", title: "a wrapped tool's environment, which the tool is told to read and to print", file: "integration/wrapper_test.go", test: "TestWrapperReadsNotItsEnvironment"},
		{id: "G112", title: "questions, repeated and in floods", file: "internal/broker/flood_test.go", test: "TestQuestionsInFloods"},
		{id: "G113", title: "links that make keyhole write or remove elsewhere", rows: "E98 E99", file: "internal/session/removetree_test.go", test: "TestDismantle"},
		{id: "G114", title: "a link in the place of a run's own folder for temporary files, so that another is removed in its stead", file: "internal/session/removetree_test.go", test: "TestDismantleFollowsNoLink"},
		{id: "G115", title: "a link in a folder of PATH, turned while a program outside looks for others there", file: "internal/session/reach_test.go", test: "TestBrowserOutOfReach"},
		{id: "G116", title: "a submodule whose configuration is changed, among hundreds of folders that are none", file: "internal/session/later_test.go", test: "TestFixedParts"},
		{id: "H1", title: "match rules read differently by filter and bus", file: "internal/frontend/dbus/match_test.go", test: "FuzzMatchRule"},
		{id: "H2", title: "a side door on the host's bus (GVFS)", rows: "A1 A17 A29 A31"},
		{id: "H3", title: "systemd by its bus or its private socket", rows: "A31 A32"},
		{id: "H4", title: "Unix sockets by datagram, or by io_uring", rows: "A18 A19 A20 A23"},
		{id: "H5", title: "abstract sockets", rows: "A17 A33"},
		{id: "H6", title: "TIOCSTI, again with high bits", rows: "D66"},
		{id: "H7", title: "TIOCLINUX", file: "internal/sandbox/filter/filter_test.go", test: "TestActions"},
		{id: "H8", title: "calls newer than the filter", rows: "F107", file: "internal/sandbox/filter/calls_test.go", test: "TestEveryCall"},
		{id: "H9", title: "a link put in place of what is being opened", rows: "B38 B39 B40 B41"},
		{id: "H10", title: "hard links and paths that lead up", rows: "E83 A37", file: "internal/session/removetree_test.go", test: "TestDismantle"},
		{id: "H11", title: "a program's name, taken for an option", file: "integration/options_test.go", test: "TestNamesAreNoOptions"},
		{id: "H12", title: "the environment of a helper outside", file: "internal/sandbox/helper_linux_test.go", test: "TestHelper"},
		{id: "H13", title: "a prompt or a record made to look different", file: "internal/approval/approval_test.go", test: "TestTextShowsEveryFactEscaped"},
		{id: "H14", title: "a yes to one thing that is used for another", file: "internal/approval/approval_test.go", test: "TestDigestCoversTheFacts"},
		{id: "H15", title: "an agent that edits its own policy", rows: "E98", file: "internal/profile/check_test.go", test: "TestCheckProfileOutOfReach"},
		{id: "H16", title: "a decision by what the command says of itself", file: "internal/frontend/dbus/abuse_test.go", test: "TestForgedMessages"},
		{id: "H20", title: "a line break in git's key=value protocol", file: "internal/shim/gitcredential/protocol_test.go", test: "TestParseRefuses"},
		{id: "H21", title: "a process id that is somebody else's by now, a claimed identity", file: "internal/frontend/dbus/abuse_test.go", test: "TestForeignPeer"},
		{id: "H23", title: "any program overwrites an item", file: "internal/broker/write_test.go", test: "TestReplaceNeedsBothGrants"},
		{id: "H25", title: "overwriting the program that confines, by /proc/self/exe", rows: "E99"},
		{id: "H26", title: "the time between the decision and the call", rows: "B36 B37 B38 B39 B40"},
		{id: "H27", title: "what a crash leaves behind", file: "integration/crash_test.go", test: "TestCrashAtEachStep"},
		{id: "H30", title: "the supervisor's memory", rows: "D57 D58 D60", file: "internal/secret/memory_linux_test.go", test: "TestCoreHasOnlyTheCarelessCopy"},
	}, approvalElsewhere()...)
}

func absents() []absent {
	return []absent{
		{"A34", failsFree, "a message bus of its own", "a bus started inside holds nothing"},
		{"C51", failsFree, "SCTP, SMC, raw ICMP", "C54 tries every family, and the filter's list of cases has each"},
		{"H17", aboutProxies, "one host name, read in two ways", "keyhole looks at addresses, never at names"},
		{"H18", aboutProxies, "a placeholder sent to another host", "keyhole replaces no placeholders"},
		{"H19", aboutProxies, "a placeholder that is not replaced", "keyhole replaces no placeholders"},
		{"H22", failsFree, "an item planted in advance with its own access list", "no store on Linux has access lists of items"},
	}
}
