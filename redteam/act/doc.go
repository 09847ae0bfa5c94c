// Package act holds the acts that attacks are made of: one system call or a few,
// tried for real wherever the program that asks for it runs, confined or not.
// The red team and the sandbox's tests judge the answers; nothing here does.
package act
