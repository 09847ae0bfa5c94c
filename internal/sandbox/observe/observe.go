// Package observe records which files a confined command was refused. Landlock
// tells nobody, so the command and all it starts are traced, and the paths of
// calls that were answered EACCES are noted. It decides nothing: what it reads
// of a process can change under its hands, and serves to propose rules that a
// person reads. Tracing costs two stops for each system call, and job control;
// it is for learning only.
package observe

// Refusal is one way in which one path was refused. Path is absolute and clean,
// as the process named it, links not followed.
type Refusal struct {
	Path   string
	Write  bool   // to be changed, or made
	Create bool   // it is not there, and was to be made
	Folder bool   // a folder, to be listed or made
	By     string // the program that tried
}

// maxRefusals bounds what one run can make us remember.
const maxRefusals = 20_000
