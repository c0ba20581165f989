// Package conversation remembers which projects served the turns of conversations.
package conversation
