// Command redteam tries to get out. Run inside of keyhole it does the acts it is
// told on its standard input; rows.go lists which, and what each must come to.
// The tests run every row unconfined first, where it has to work, and then in
// each layer of the sandbox. `redteam table` prints the list as a document.
package main
