package profile

import "errors"

// Guard knows what a grant of a path would open that must stay shut.
type Guard struct{ index *index }

// NewGuard prepares the table of Protected.
func NewGuard(dirs Dirs, vars Vars) *Guard {
	return &Guard{newFinder(vars.FoldCase).index(protectedPaths(vars, dirs))}
}

// Opens returns a protected path that a grant of path would open: one below it,
// or one that it lies in. What a person may grant by its name counts as well.
func (g *Guard) Opens(path string) (protected string, yes bool) {
	err := g.index.check(Path{Path: path, relative: true})
	var p *ProtectedError
	if errors.As(err, &p) {
		return p.Protected, true
	}
	return "", err != nil
}
