// What changes slowly: callers, errors, the store, history, limits, events.

const nothing = (text) => el('p', { class: 'note' }, text);

// ranked is a list of figures as bars against the largest of them.
function ranked(rows, empty) {
  if (!rows.length) return nothing(empty);
  const most = Math.max(...rows.map((r) => r.value), 1);
  return el(
    'ul',
    { class: 'ranked' },
    rows.map((r) =>
      el(
        'li',
        { 'data-id': r.name },
        el('span', { class: 'ranked-name' }, r.name),
        el('span', { class: 'figure' }, r.text),
        bar(r.value / most, r.kind),
        r.note && el('span', { class: 'note ranked-note' }, r.note),
      ),
    ),
  );
}

function renderCallers(status) {
  if (!status.callers) {
    fill('callers', nothing('Only an administrator sees who calls.'));
    return;
  }
  const callers = [...status.callers].sort((a, b) => b.tokens_today - a.tokens_today);
  const rows = callers.slice(0, most).map((c) => ({
    name: c.caller || '(open)',
    value: c.tokens_today,
    text: `${plural(c.requests_today, 'request')} · ${short(c.tokens_today)} tokens`,
    note: [quotasText(c.quotas), budgetsText(c.budgets)].filter(Boolean).join(' · '),
    kind: 'level',
  }));
  fill(
    'callers',
    ranked(rows, 'Nobody has called today.'),
    callers.length > most && nothing(`and ${plural(callers.length - most, 'other')}.`),
  );
}

// quotasText is what a caller's own limits are, and what is left of them.
const quotasText = (quotas) =>
  (quotas ?? [])
    .map(
      (q) =>
        `${short(q.left)} of ${short(q.limit)} ${limitNames[q.quota] ?? words(q.quota)} left${q.left === 0 ? `, back in ${span(q.resets_in * second)}` : ''}`,
    )
    .join(' · ');

// budgetsText is what a caller may spend, and what is left of it.
const budgetsText = (budgets) =>
  (budgets ?? [])
    .map((b) => {
      const text = b.name.startsWith('dollars') ? (n) => `$${n.toFixed(2)}` : short;
      return `${text(b.left)} of ${text(b.limit)} ${b.name.endsWith('day') ? 'a day' : 'a month'} left`;
    })
    .join(' · ');

// renderUsage is what was used, by what the reader chose.
function renderUsage() {
  const { report, error } = used;
  if (!report) {
    fill('usage', nothing(error ?? 'Asking…'));
    fill('refused', nothing(error ?? 'Asking…'));
    return;
  }
  const by = report.by;
  const figures = [
    ['Requests', (r) => count(r.requests)],
    ['Refused', (r) => (r.refused ? count(r.refused) : '')],
    ['Failed', (r) => (r.failed ? count(r.failed) : '')],
    ['Input', (r) => short(r.input_tokens)],
    ['cached', (r) => (r.cached_tokens ? short(r.cached_tokens) : '')],
    ['Output', (r) => short(r.output_tokens)],
    ['thoughts', (r) => (r.thought_tokens ? short(r.thought_tokens) : '')],
    ['List price', dollars],
    ['Waited, p95', (r) => (r.wait_p95 ? span(r.wait_p95 * second) : '')],
    ['Answer, p50', (r) => (r.answer_p50 ? `${r.answer_p50.toFixed(1)} s` : '')],
    ['p95', (r) => (r.answer_p95 ? `${r.answer_p95.toFixed(1)} s` : '')],
  ];
  const name = (r) => by.map((b) => r[b] || (b === 'caller' ? '(open)' : b === 'project' ? '(none)' : '')).join(' · ');
  const line = (r, text, kind) =>
    el(
      'tr',
      { 'data-id': text, class: kind },
      el('th', { scope: 'row' }, text),
      figures.map(([, of]) => el('td', { class: 'figure' }, of(r))),
    );
  fill(
    'usage',
    report.rows.length
      ? el(
          'table',
          null,
          el(
            'thead',
            null,
            el('tr', null, el('th', { scope: 'col' }, words(by.join(' and '))), figures.map(([title]) => el('th', { scope: 'col' }, title))),
          ),
          el(
            'tbody',
            null,
            report.rows.slice(0, mostUsed).map((r) => line(r, name(r), null)),
            line(report.total, 'All', 'total'),
          ),
        )
      : nothing('Nothing was asked for in this time.'),
    report.rows.length > mostUsed && nothing(`and ${plural(report.rows.length - mostUsed, 'row')} more: /usage has all.`),
    el(
      'p',
      { class: 'note' },
      `Since ${dated(report.from)}. Dollars are list prices; a project of a free tier pays nothing.`,
      report.total.unpriced ? ` The price of ${plural(report.total.unpriced, 'answer')} isn’t known.` : '',
      report.total.unmetered ? ` ${plural(report.total.unmetered, 'answer')} said nothing of their tokens.` : '',
    ),
  );
  renderRefused();
}

const mostUsed = 40;
const dollars = (r) => (r.dollars ? `$${r.dollars < 1 ? r.dollars.toFixed(4) : r.dollars.toFixed(2)}` : r.requests > (r.unpriced ?? 0) ? '$0' : '');

// Causes that begin so are the same limits, of the caller's own.
const own = /^own_/;
const isOwn = (cause) => own.test(cause);
const causeText = (cause) => causes[cause.replace(own, '')] ?? words(cause);

// renderRefused lists refusals of our own, by whose they are and what stood in the way.
function renderRefused() {
  const rows = (used.refused?.rows ?? [])
    .flatMap((r) =>
      Object.entries(r.causes ?? {}).map(([cause, n]) => ({
        name: [causeText(cause), r.model, r.caller].filter(Boolean).join(' · '),
        value: n,
        text: count(n),
        kind: 'wait level',
        note: isOwn(cause) ? 'the caller’s own limit' : '',
      })),
    )
    .sort((a, b) => b.value - a.value)
    .slice(0, most);
  fill('refused', ranked(rows, 'Nobody.'));
}

// renderTroubles lists the last requests that were told to wait or failed.
function renderTroubles(status) {
  const list = status.troubles ?? [];
  fill(
    'troubles',
    list.length
      ? el(
          'ol',
          { class: 'events', tabindex: 0, 'aria-label': 'Refusals and failures, the newest first' },
          list.map((x) =>
            el(
              'li',
              { 'data-id': x.id },
              time(x.at, dated(x.at)),
              el(
                'span',
                null,
                el('strong', null, x.wait ? `told to wait ${span(x.wait * second)}` : 'failed'),
                `: ${causeText(x.cause)}${isOwn(x.cause) ? ', the caller’s own limit' : ''} `,
                el('span', { class: 'note' }, [x.caller, x.model, x.route].filter(Boolean).join(' · '), ' ', el('code', null, x.id)),
              ),
            ),
          ),
        )
      : nothing(admin() ? 'None today or yesterday.' : 'Only an administrator sees them.'),
  );
}

function renderErrors(status) {
  const rows = Object.entries(status.errors ?? {})
    .filter(([, n]) => n > 0)
    .sort(([, a], [, b]) => b - a)
    .map(([name, n]) => ({ name: classes[name] ?? words(name), value: n, text: count(n), kind: 'bad level' }));
  fill('errors-title', several(status) ? 'Providers’ errors today' : `${whom(status)}’s errors today`);
  fill('errors', ranked(rows, 'None.'));
}

// renderStore sets the operations of all instances against the free tier, and
// says what this page has to do with it.
function renderStore(status) {
  if (status.store_kind === 'memory') {
    fill('store', nothing('Quota is kept in this process’s memory: for one instance, and forgotten when it stops.'));
    return;
  }
  const o = status.operations;
  const free = (name, used, limit) => {
    const part = share(used, limit);
    return el(
      'div',
      { class: 'operation' },
      el('span', null, name),
      el('span', { class: 'figure' }, limit > 0 ? `${count(used)} of ${short(limit)} free` : count(used)),
      bar(part),
    );
  };
  fill(
    'store',
    o
      ? [free('Reads', o.reads, o.free_reads), free('Writes', o.writes, o.free_writes)]
      : nothing('Operations aren’t counted here.'),
    el(
      'dl',
      { class: 'facts' },
      fact('This page', `${plural(seen.polls, 'update')}, at most ${plural(seen.reads, 'read')}`),
      fact('Lost races', count(status.store?.conflicts ?? 0)),
      fact('Recovered', count(status.store?.recovered ?? 0)),
    ),
    el('p', { class: 'note' }, 'Races are this instance’s, since it started.'),
  );
}

const fact = (name, text) => el('div', null, el('dt', null, name), el('dd', { class: 'figure' }, text));

// renderHistory draws a chart of the finished days for every model.
function renderHistory(status) {
  const all = status.history ?? [];
  const projects = [...new Set(all.map((h) => h.project))].sort();
  const picked = choice.project;
  fill(
    'history-project',
    el('option', { value: '' }, 'All projects'),
    projects.map((p) => el('option', { value: p }, p)),
  );
  if (projects.includes(picked)) $('history-project').value = picked;
  const list = projects.includes(picked) ? all.filter((h) => h.project === picked) : all;
  const models = inOrder(
    status,
    [...new Set(list.map((h) => h.model))].sort().map((model) => ({ model })),
  );
  if (!models.length) {
    fill('history', nothing('No day has finished yet since Fluxgate began to count.'));
    return;
  }
  const days = lastDays(instant(status.now));
  fill(
    'history',
    models.map(({ model }) =>
      chart(
        model,
        list.filter((h) => h.model === model),
        days,
      ),
    ),
  );
}

// lastDays are the names of the thirty days before the Pacific day of an instant.
function lastDays(now) {
  const today = new Intl.DateTimeFormat('en-CA', { timeZone: 'America/Los_Angeles' }).format(now);
  const noon = Date.parse(`${today}T12:00:00Z`);
  return Array.from({ length: 30 }, (_, i) => new Date(noon - (30 - i) * day).toISOString().slice(0, 10));
}

function chart(model, entries, days) {
  const sums = days.map((name) =>
    entries
      .filter((e) => e.day === name)
      .reduce((n, e) => ({ requests: n.requests + e.requests, tokens: n.tokens + e.tokens }), {
        requests: 0,
        tokens: 0,
      }),
  );
  const requests = sums.reduce((n, s) => n + s.requests, 0);
  const tokens = sums.reduce((n, s) => n + s.tokens, 0);
  const top = Math.max(...sums.map((s) => s.requests), 1);
  const busiest = sums.findIndex((s) => s.requests === top);
  const text = requests ? `${plural(requests, 'request')}, ${short(tokens)} tokens` : 'nothing';
  const height = 56;
  return el(
    'figure',
    { 'data-id': model },
    el('figcaption', null, el('strong', null, model), el('span', { class: 'figure' }, text)),
    svg(
      'svg',
      { class: 'days', viewBox: `0 0 300 ${height}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
      sums.map((s, i) => {
        const tall = s.requests ? Math.max(2, (s.requests / top) * (height - 2)) : 1;
        return svg(
          'rect',
          { class: s.requests ? 'day' : 'day none', x: i * 10 + 1.5, width: 7, y: height - tall, height: tall },
          svg(
            'title',
            null,
            `${dayOnly.format(Date.parse(days[i]))}: ${plural(s.requests, 'request')}, ${short(s.tokens)} tokens`,
          ),
        );
      }),
    ),
    el(
      'p',
      { class: 'note days-axis' },
      el('span', null, dayOnly.format(Date.parse(days[0]))),
      requests > 0 && el('span', null, `most: ${count(top)} on ${dayOnly.format(Date.parse(days[busiest]))}`),
      el('span', null, dayOnly.format(Date.parse(days[29]))),
    ),
  );
}

const sources = {
  default: 'built in',
  tier: 'built in for the tier',
  reported: 'reported by Gemini',
  operator: 'FLUXGATE_LIMITS',
  run_time: 'set at run time',
  learned: 'learned from a 429',
};
const limitNames = { rpm: 'requests a minute', tpm: 'tokens a minute', rpd: 'requests a day' };

// renderLimits lists every number once, with the projects that it holds for, and when the last of
// them learned it.
function renderLimits(status, now) {
  const groups = new Map();
  const holders = new Map(); // by model: how many projects have it
  for (const p of status.projects ?? []) {
    for (const m of p.models) {
      holders.set(m.model, (holders.get(m.model) ?? 0) + 1);
      for (const name of Object.keys(limitNames)) {
        const l = m[name];
        const id = [m.model, name, l.limit, l.source].join(' ');
        const group = groups.get(id) ?? { model: m.model, name, ...l, projects: [] };
        group.projects.push(p.project);
        if (l.since && instant(l.since) > instant(group.since)) group.since = l.since;
        groups.set(id, group);
      }
    }
  }
  const models = inOrder(
    status,
    [...holders.keys()].map((model) => ({ model })),
  );
  fill(
    'limits',
    !models.length && nothing('No model has been asked for anything yet.'),
    models.map(({ model }) =>
      el(
        'div',
        { class: 'limit-model', 'data-id': model },
        el('h3', null, model),
        el(
          'ul',
          { class: 'limits' },
          [...groups.values()]
            .filter((g) => g.model === model)
            .sort((a, b) => order(a) - order(b))
            .map((g) => limitRow(g, g.projects.length === holders.get(model), now)),
        ),
      ),
    ),
    policyText(status, now) && nothing(policyText(status, now)),
    status.chain_source &&
      nothing(
        `The chain is ${{ default: 'built in', discovered: 'discovered from Gemini’s list', operator: 'the operator’s', run_time: 'set at run time' }[status.chain_source] ?? words(status.chain_source)}.`,
      ),
  );
}

const order = (g) => Object.keys(limitNames).indexOf(g.name);

function limitRow(g, everywhere, now) {
  const where = everywhere
    ? ''
    : g.projects.length > 3
      ? `on ${g.projects.length} projects`
      : `on ${g.projects.join(', ')}`;
  return el(
    'li',
    { 'data-id': [g.name, g.limit, g.source].join(' ') },
    el(
      'span',
      { class: 'limit-number' },
      el('strong', null, unlimited(g.limit) ? 'no limit' : count(g.limit)),
      ` ${limitNames[g.name]}`,
    ),
    el('span', { class: `tag source-${g.source}` }, sources[g.source] ?? words(g.source)),
    el('span', { class: 'note' }, [g.since && ago(now - instant(g.since)), where].filter(Boolean).join(' · ')),
  );
}

function renderEvents(status) {
  if (!status.events) {
    fill('events', nothing('Only an administrator sees what was changed.'));
    return;
  }
  fill(
    'events',
    status.events.length
      ? el(
          'ol',
          { class: 'events', tabindex: 0, 'aria-label': 'Events, the newest first' },
          status.events.map((e) =>
            el(
              'li',
              null,
              time(e.at, dated(e.at)),
              el('span', null, e.what, ' ', el('span', { class: 'note' }, e.who && `by ${e.who}`)),
            ),
          ),
        )
      : nothing('Nothing has been changed yet.'),
  );
}
