package profile

// WithoutOrigins is a copy of p that does not know where its values were
// written.
func WithoutOrigins(p *Profile) Profile {
	c := *p
	c.origins = nil
	return c
}
