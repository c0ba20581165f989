// Package coding unpacks what is sent in a content coding.
package coding
