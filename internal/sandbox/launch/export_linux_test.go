package launch

// Hold has the child read a byte from a descriptor before it becomes the command.
func (s *Spec) Hold(fd int) { s.hold = fd }
