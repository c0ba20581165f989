// Package uploadurl signs the URLs by which uploads go on. Some clients send what follows the
// start of an upload without a credential: with Google, the upload's URL is one. So the
// rewritten URL carries a token of the caller that started it, signed, for that upload alone
// and for a time.
package uploadurl
