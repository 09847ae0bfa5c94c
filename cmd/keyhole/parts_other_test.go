//go:build !linux

package main

func peeper()      { lacking() }
func plainclient() { lacking() }
