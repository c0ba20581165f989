package storage

// Encode packs a project as a document has it, for tests that need one with a
// past.
var Encode = encode
