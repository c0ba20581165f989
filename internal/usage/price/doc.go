// Package price says what an answer of a model costs at list price.
//
// Dollars are told in whole picodollars (1e-12 $), so that sums are exact whatever they
// are added up from: a token at $0.0375 a million costs 37,500 of them, and 64 bits hold nine
// million dollars.
//
// They are list prices of the paid tier. A project of the free tier pays nothing, grounding,
// stored caches and audio have prices of their own, and Google's bill has the last word.
//
// Files, from the top down; a file calls only those below it:
//
//   - daily.go: Daily, the prices of the day with those that are set
//   - list.go: List, the prices that are built in
//   - price.go: Table, what models cost, and what an answer comes to
package price
