package sandbox

// play: the stage has a way of its own.
func play([]string) (int, bool) { return 0, false }
