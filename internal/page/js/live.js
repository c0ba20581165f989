// Asking, drawing, and asking again: every five seconds while somebody looks.

const period = 5 * second;
const patience = 15 * second;
const tokenName = 'fluxgate-token';

const view = {
  status: null, // the last good answer
  clock: 0, // what to add to the machine's monotonic clock to have the pool's
  at: 0, // when it was had, by the monotonic clock
  tag: null, // its entity tag
  error: null, // what the last attempt failed of
  failures: 0, // in a row
  retry: 0, // when the next attempt is due, by the monotonic clock
  paused: false,
  locked: false,
  forbidden: false, // a control was refused
};

// seen counts what this page has caused. An answer of /status may read the document of
// every project, the control document, and at most four of records: events, validation,
// the reported policy and history. The server does so for the first few and then every
// half minute, while others ask for nothing.
const otherDocuments = 5;
const freshAtOnce = 100;
const freshEvery = 30 * second;
const seen = { polls: 0, reads: 0, read: -Infinity };

function countReads(status) {
  seen.polls += 1;
  if (seen.polls > freshAtOnce && performance.now() - seen.read < freshEvery) return;
  seen.read = performance.now();
  seen.reads += (status.projects ?? []).length + otherDocuments;
}

// Unchanged is the answer where nothing is to be told beyond what was, but the time.
class Unchanged {
  constructor(now) {
    this.now = now;
  }
}

// listIdle has every project list the models of the chain that the server said once for
// all, in the order of the chain.
function listIdle(status) {
  for (const p of status.projects ?? []) {
    if (p.provider) continue; // what is idle is Gemini's
    const listed = new Map(p.models.map((m) => [m.model, m]));
    const chain = (status.model_chain ?? []).map((name) => listed.get(name) ?? status.idle?.[name]).filter(Boolean);
    p.models = [...chain, ...p.models.filter((m) => !inChain(status, m.model))];
  }
  return status;
}

const poolNow = () => performance.now() + view.clock;

// admin says whether controls would be obeyed: only administrators are told of
// callers and events.
const admin = () => !view.forbidden && (view.status?.events !== undefined || view.status?.callers !== undefined);

class Failure extends Error {
  constructor(status, message, retryAfter) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

// request calls the API, and makes an error of everything that isn't an answer.
async function request(method, path, body, tag) {
  const headers = { Accept: 'application/json' };
  if (tag) headers['If-None-Match'] = tag;
  const token = sessionStorage.getItem(tokenName);
  if (token) headers['X-Fluxgate-Token'] = token;
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  let response;
  let text;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: 'no-store',
      credentials: 'same-origin',
      redirect: 'error',
      signal: AbortSignal.timeout(method === 'GET' ? patience : 4 * patience),
    });
    if (tag && response.status === 304) return new Unchanged(response.headers.get('X-Fluxgate-Now'));
    text = await response.text();
  } catch (error) {
    throw new Failure(
      0,
      error.name === 'TimeoutError' ? 'Fluxgate didn’t answer in time.' : 'Fluxgate can’t be reached.',
    );
  }
  let answer;
  try {
    answer = JSON.parse(text);
  } catch {
    throw new Failure(response.status, `The answer isn’t JSON (HTTP ${response.status}). Is a proxy in the way?`);
  }
  if (response.ok) {
    if (path === '/status') answer.tag = response.headers.get('ETag');
    return answer;
  }
  const { message, status } = answer.error ?? {};
  throw new Failure(
    response.status,
    `${message ?? 'The request was refused.'} (${response.status}${status ? ` ${status}` : ''})`,
    Number(response.headers.get('Retry-After')),
  );
}

// poll has one request under way at a time, and sets the next one.
let polling = null;
let pollTimer;
function poll() {
  clearTimeout(pollTimer);
  polling ??= ask().finally(() => {
    polling = null;
    schedule();
  });
  return polling;
}

async function ask() {
  const token = sessionStorage.getItem(tokenName);
  // An answer to a token that was forgotten or replaced is nobody's.
  const late = () => sessionStorage.getItem(tokenName) !== token;
  try {
    const status = await request('GET', '/status', undefined, view.status && view.tag);
    if (late()) return;
    if (view.error) news('Fluxgate answers again.');
    if (status.now) view.clock = instant(status.now) - performance.now();
    if (!(status instanceof Unchanged)) Object.assign(view, { status: listIdle(status), tag: status.tag });
    countReads(view.status);
    Object.assign(view, { at: performance.now(), error: null, failures: 0, locked: false });
  } catch (error) {
    if (late()) return;
    if (error.status === 401) {
      lock(error.message);
      return;
    }
    if (!view.error) news(error.message);
    view.error = error;
    view.failures += 1;
  }
  drawAll();
  askUsage();
}

// schedule sets the next request: later and later while there is no answer, and
// none while nobody looks.
function schedule() {
  clearTimeout(pollTimer);
  if (view.paused || view.locked || document.hidden) return;
  const pause = view.error
    ? Math.max(period * Math.min(6, 2 ** (view.failures - 1)), (view.error.retryAfter || 0) * second)
    : period;
  view.retry = performance.now() + pause;
  pollTimer = setTimeout(poll, pause);
}

// news is for screen readers: what changed between good and bad, and no more.
const news = (text) => fill('news', text);

function pause(paused) {
  view.paused = paused;
  if (paused) clearTimeout(pollTimer);
  else poll();
  drawAll();
}

// lock shows the door: the token is missing, wrong, or forgotten.
function lock(message) {
  clearTimeout(pollTimer);
  const wrong = sessionStorage.getItem(tokenName) !== null;
  forget();
  Object.assign(view, { status: null, locked: true, error: null, failures: 0, forbidden: false });
  Object.assign(used, unasked); // what was told to that token is nobody else's
  drawAll();
  fill('door-error', wrong && message ? `That token wasn’t accepted. ${message}` : '');
  $('token').focus();
}

const forget = () => sessionStorage.removeItem(tokenName);

$('door-form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const token = $('token').value.trim();
  // What can't be in a header can't be a token.
  if (!/^[\x21-\x7e]+$/.test(token)) {
    fill('door-error', 'A token has no spaces and no characters beyond ASCII.');
    return;
  }
  sessionStorage.setItem(tokenName, token);
  view.locked = false;
  await polling;
  await poll();
  if (view.status) {
    $('token').value = '';
    $('main').focus();
  } else if (view.error) {
    view.locked = true;
    fill('door-error', view.error.message);
    drawAll();
  }
});

// drawAll draws everything, draw what moves or was chosen.
function drawAll() {
  $('door').hidden = !view.locked;
  $('board').hidden = !view.status;
  $('pause').hidden = view.locked;
  $('forget').hidden = sessionStorage.getItem(tokenName) === null;
  fill('pause', view.paused ? 'Resume' : 'Pause');
  $('board').classList.toggle('stale', Boolean(view.error && view.status));
  draw();
}

function draw() {
  drawMoving();
  const { status } = view;
  if (!status) return;
  const now = poolNow();
  renderMode(status);
  renderChain(status);
  renderKeys(status, now);
  renderCallers(status);
  renderTroubles(status);
  renderErrors(status);
  renderStore(status);
  renderHistory(status);
  renderLimits(status, now);
  renderEvents(status);
  renderUsage();
}

function drawMoving() {
  fill('connection', ...connection());
  fill('banner', banner());
  document.title = title();
  if (!view.status) return;
  const now = poolNow();
  renderPool(view.status, now);
  renderCalendars(view.status, now);
}

// What was used, asked once a minute: other instances write what they counted as often.
const unasked = { report: null, refused: null, error: null, at: -Infinity };
const used = { ...unasked };

async function askUsage(now = false) {
  if (!view.status || view.locked || (!now && performance.now() - used.at < minute)) return;
  used.at = performance.now();
  const chosen = () => new URLSearchParams({ window: $('usage-window').value, by: $('usage-by').value }).toString();
  const query = chosen();
  const token = sessionStorage.getItem(tokenName);
  const answer = { error: null };
  try {
    answer.report = await request('GET', `/usage?${query}`);
    answer.refused = await request('GET', '/usage?window=24h&by=caller%2Cmodel');
  } catch (error) {
    answer.error = error.message;
  }
  // An answer to another token or another choice is nobody's.
  if (sessionStorage.getItem(tokenName) !== token || chosen() !== query) return;
  Object.assign(used, answer);
  renderUsage();
}

// title tells the state in the browser's tab.
function title() {
  if (view.locked || !view.status) return 'Fluxgate';
  if (view.error) return '⚠ offline · Fluxgate';
  const { status } = view;
  const bad = (status.keys ?? []).filter((k) => k.status === 'invalid').length;
  const o = offered(status, poolNow());
  const when = !o ? 'nothing goes' : o.at <= poolNow() ? 'free' : `in ${span(o.at - poolNow())}`;
  return `${status.simulated ? 'SIMULATED · ' : ''}${bad ? `⚠ ${plural(bad, 'invalid key')} · ` : ''}${when} · Fluxgate`;
}

function connection() {
  if (view.locked) return ['Locked'];
  if (!view.status && !view.error) return ['Asking…'];
  const state = view.error ? 'offline' : view.paused ? 'paused' : 'live';
  const texts = { offline: 'Offline', paused: 'Paused', live: 'Live' };
  return [
    el('span', { class: `lamp ${state}`, 'aria-hidden': 'true' }),
    el('strong', null, texts[state]),
    view.status && el('span', { class: 'note' }, ` updated ${ago(performance.now() - view.at)}`),
  ];
}

function banner() {
  if (!view.error) {
    return (
      view.status?.simulated &&
      el(
        'div',
        { class: 'banner simulated' },
        icon('block'),
        el('p', null, el('strong', null, 'SIMULATED.'), ` No key is configured: every answer comes from ${several(view.status) ? 'simulated providers' : 'a simulated Gemini'}. Set GEMINI_KEY_1, GEMINI_KEY_2, … for the real one.`),
      )
    );
  }
  const due = view.retry - performance.now();
  return el(
    'div',
    { class: 'banner bad' },
    icon('block'),
    el(
      'p',
      null,
      el('strong', null, view.error.message),
      view.status ? ' What is shown is the last that is known.' : '',
      ' ',
      el('span', { class: 'nobreak' }, view.paused ? '' : due > 0 ? `Next attempt in ${span(due)}.` : 'Asking…'),
    ),
    el('button', { type: 'button', 'data-action': 'again' }, 'Try now'),
  );
}

// Between two answers the plots and the countdowns go on by themselves, except
// where nobody sees it, or motion isn't wanted and figures would be the only
// thing to move.
const calm = matchMedia('(prefers-reduced-motion: reduce)');
setInterval(() => {
  if (document.hidden || view.paused || view.locked) return;
  if (calm.matches && !view.error) return;
  drawMoving();
}, second);

document.addEventListener('visibilitychange', () => {
  if (document.hidden) clearTimeout(pollTimer);
  else if (!view.paused && !view.locked) poll();
});

new ResizeObserver(() => draw()).observe($('main'));

readChoice();
drawAll();
poll();
