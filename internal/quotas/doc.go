// Package quotas reads the limits of other providers' models as an operator writes them in
// FLUXGATE_PROVIDERS: by the hour, at a time, of outputs, refilled without a break. The usual
// three, requests and tokens a minute and requests a day, are read from FLUXGATE_LIMITS by package config.
package quotas
