// Package cost estimates what a deployment costs a month on Google Cloud (what
// requests to models cost is package usage's), from the operations that a request
// was measured to take and from list prices.
//
// [Prices] is the one table to correct when Google changes its prices; each has
// its page and says how it was established. [Load] is what is asked of the
// deployment, with the measurements as its defaults ([NewLoad]). [Estimate] is
// arithmetic alone. [Document] writes the page of the repository, which a test
// holds to what is computed here.
//
// Files, from the top down; a file calls only those below it:
//
//   - print.go: the table of a bill, and Document
//   - profiles.go: the profiles of the deployment, each a Load
//   - estimate.go: Load, and Estimate, which makes a Bill of it
//   - prices.go: Prices, Google's list
package cost
