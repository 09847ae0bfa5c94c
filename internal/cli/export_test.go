package cli

// ExitMeanings is the table of exit codes.
func ExitMeanings() []exitMeaning { return exitMeanings() }
