package main

import "keyhole/integration/keyring"

func (b *bench) same(*keyring.Keyring) error { return nil }
