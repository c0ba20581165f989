// Package page is what a browser shows of Fluxgate: the pool, its calendars and
// its controls. It is one HTML document without data, written in parts that are
// put together once; everything on it comes from the JSON of GET /status,
// which needs a token where there are any, while the document itself needs none.
package page
