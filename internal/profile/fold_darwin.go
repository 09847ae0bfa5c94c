package profile

// foldsCase: a Mac's file system usually takes names in any case.
const foldsCase = true
