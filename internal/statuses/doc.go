// Package statuses names the HTTP statuses of providers that net/http has no names for.
package statuses
