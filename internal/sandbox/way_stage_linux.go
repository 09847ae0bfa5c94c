//go:build keyhole_stage

package sandbox

// inProcess is false in a build that starts every command by the stage.
const inProcess = false
