package landlock

import "testing"

// Nothing inside makes device nodes, and a file is granted nothing that only a
// folder can have.
func TestRights(t *testing.T) {
	for _, write := range []bool{false, true} {
		r := &Ruleset{handled: forABI(7)}
		folder, file := r.Rights(write)
		if folder&(makeChar|makeBlock) != 0 || file&^onFile != 0 {
			t.Errorf("write %v: %#x, %#x", write, folder, file)
		}
		if (folder&(writeFile|makeReg|removeFile|truncate) != 0) != write || folder&readFile == 0 {
			t.Errorf("write %v: %#x", write, folder)
		}
	}
}
