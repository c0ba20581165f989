// Package spelling reads JSON as Google's APIs do, whose members may be spelt with underscores
// too: Google's samples for curl and its SDK for Python do so (documented of all APIs).
package spelling
