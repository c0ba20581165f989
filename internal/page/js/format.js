// How figures and times are written. Times are the browser's own, with seconds;
// what the pool calls a day is Pacific.

const whole = new Intl.NumberFormat('en');
const clockTime = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const dayAndTime = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
});
const dayOnly = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' });

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

const count = (n) => whole.format(n);

// plural is a count with its noun.
const plural = (n, noun, many = `${noun}s`) => `${count(n)} ${n === 1 ? noun : many}`;

// short writes 250000 as 250k: three digits at most, never more than there is.
function short(n) {
  for (const [size, unit] of [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ]) {
    if (n < size) continue;
    const value = n / size;
    const places = value < 10 ? 2 : value < 100 ? 1 : 0;
    return `${Number((Math.floor(value * 10 ** places) / 10 ** places).toFixed(places))}${unit}`;
  }
  return count(n);
}

// span writes a duration in its two largest units, rounded up: a wait that is
// told too short is worse than one told too long.
function span(ms) {
  const s = Math.max(0, Math.ceil(ms / second));
  if (s < 60) return `${s} s`;
  if (s < 3600) return s % 60 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${s / 60} min`;
  const m = Math.ceil(s / 60);
  if (m < 24 * 60) return m % 60 ? `${Math.floor(m / 60)} h ${m % 60} min` : `${m / 60} h`;
  return plural(Math.round(m / 60 / 24), 'day');
}

// ago writes how long something is past, in one unit.
function ago(ms) {
  if (ms < 2 * second) return 'just now';
  for (const [size, unit] of [
    [day, 'd'],
    [hour, 'h'],
    [minute, 'min'],
    [second, 's'],
  ]) {
    if (ms >= size) return `${Math.floor(ms / size)} ${unit} ago`;
  }
  return 'just now';
}

// wait says when an instant is, seen from now.
function wait(at, now) {
  if (at === null || at === undefined) return 'never';
  const ms = instant(at) - now;
  return ms <= 0 ? 'now' : `in ${span(ms)}`;
}

// instant is the milliseconds of an instant of the status.
const instant = (text) => Date.parse(text);

const at = (text) => clockTime.format(instant(text));
const dated = (text) => dayAndTime.format(instant(text));

// share is how much of a limit is taken, from 0 to 1.
const share = (used, limit) => (limit > 0 ? Math.min(1, used / limit) : limit === 0 ? 1 : 0);

const unlimited = (limit) => limit < 0;

const percent = (n) => `${Math.round(n * 100)}%`;

// Why something has to wait, or can't be had.
const causes = {
  rpm: 'the minute’s requests are taken',
  tpm: 'the minute’s tokens are taken',
  rpd: 'the day’s requests are spent',
  upstream_minute: 'the provider said 429 for the minute',
  upstream_day: 'the provider said 429 for the day',
  upstream_bare: 'the provider said 429 and no more',
  limit_in_test: 'whether the day has more requests is being tried',
  unavailable: 'it isn’t offered to this project',
  too_large: 'larger than it can ever take',
  no_usable_key: 'no usable key',
  budget: 'the budget is used up',
};

// The same where there is little room.
const shortCauses = {
  rpm: 'RPM full',
  tpm: 'TPM full',
  rpd: 'day spent',
  upstream_minute: '429 for the minute',
  upstream_day: '429 for the day',
  upstream_bare: 'bare 429',
  limit_in_test: 'day in test',
  unavailable: 'not offered',
  too_large: 'too large',
  no_usable_key: 'no usable key',
};

// Errors of providers, by the class that Fluxgate gives them.
const classes = {
  day: 'A day’s limit (429)',
  minute: 'A minute’s limit (429)',
  no_quota: 'No quota for the model (429)',
  bare_429: 'A 429 that names no limit',
  billing: 'Billing',
  key_invalid: 'An invalid key',
  model_gone: 'A model no longer offered',
  model_unknown: 'An unknown model',
  caller: 'The caller’s request',
  server: 'The provider’s own (5xx)',
  timeout: 'No answer in time',
  network: 'No connection',
};

const modes = {
  both: 'All models',
  pro_only: 'Pro only',
  flash_only: 'Flash only',
  flash_lite_only: 'Flash-Lite only',
};

// Which projects are used first where several have room.
const preferences = {
  any: 'Any project',
  free: 'Free tier',
  paid: 'Paid tiers',
};

// words makes a name of the JSON readable: what is new there is shown all the same.
const words = (name) => name.replaceAll('_', ' ');
