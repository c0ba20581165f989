// Package tokeniser counts the tokens of the simulated Gemini, by a rule of its own that stands
// in for the real tokeniser's. It is deterministic and never above one token per byte of UTF-8:
//
//   - a word (a run of letters and digits) costs a quarter token per ASCII
//     rune and half a token per other rune, rounded up;
//   - a Han, Hiragana, Katakana or Hangul rune costs one token;
//   - a run of white space costs a quarter token per rune, rounded down;
//   - every other rune, and every byte that is not UTF-8, costs one token.
//
// What parts of a request cost that aren't text is said in package wire.
package tokeniser
