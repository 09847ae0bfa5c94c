// Command measure measures what keyhole costs: the start of a run, reading an item
// through the endpoint, many connections, memory, and work that only runs
// inside. Every figure is a ratio of two things done in turn in one run, so that
// the machine and its mood cancel out. It starts a bus and a keyring of its own
// in a home of its own, uses no network, and stops by itself.
//
// It also holds the endpoint to its promise that an item which is not granted
// looks like one that does not exist: it fails when two replies differ.
package main
