// The calendars: a drawing and three bars for every project and model.

// What the reader chose. All but what is unfolded is in the page's address, so that it can
// be sent to somebody, and none of it is secret.
const choice = { size: '10000', filter: '', state: '', sort: 'trouble', provider: '', project: '', allCalendars: false, allKeys: false };

const sizes = ['1000', '10000', '100000', '1000000'];

// The states that calendars are chosen by, and the orders that they come in.
const chosenBy = { '': 'all', trouble: 'in trouble', free: 'free now', busy: 'in use' };
const orders = { trouble: 'trouble first', name: 'by name', used: 'most used first' };

// readChoice takes from the address what the reader chose; keepChoice puts it there.
function readChoice() {
  const from = new URLSearchParams(location.hash.slice(1));
  const known = (name, all) => (Object.hasOwn(all, from.get(name) ?? '-') ? from.get(name) : undefined);
  choice.filter = (from.get('find') ?? '').slice(0, 100);
  choice.project = from.get('project') ?? '';
  choice.provider = from.get('provider') ?? '';
  choice.state = known('state', chosenBy) ?? '';
  choice.sort = known('sort', orders) ?? 'trouble';
  if (sizes.includes(from.get('tokens'))) choice.size = from.get('tokens');
  for (const id of ['usage-window', 'usage-by']) {
    const wanted = from.get(id.replace('usage-', ''));
    if ([...$(id).options].some((o) => o.value === wanted)) $(id).value = wanted;
  }
}

function keepChoice() {
  const kept = new URLSearchParams();
  const keep = (name, value, usual) => value !== usual && kept.set(name, value);
  keep('find', choice.filter.trim(), '');
  keep('state', choice.state, '');
  keep('sort', choice.sort, 'trouble');
  keep('project', choice.project, '');
  keep('provider', choice.provider, '');
  keep('tokens', choice.size, '10000');
  keep('window', $('usage-window').value, '24h');
  keep('by', $('usage-by').value, 'model');
  const text = kept.toString();
  history.replaceState(null, '', text ? `#${text}` : location.pathname);
}

// trouble says how much is wrong with a project: none of its keys can be used, one can't, or
// Gemini blocks a model.
function trouble(status, p) {
  if (!usable(status, p.project)) return 4;
  const keys = keysOf(status, p.project);
  if (keys.some((k) => k.status !== 'healthy')) return 3;
  const now = instant(status.now);
  if (p.models.some((m) => m.block && instant(m.block.until) > now)) return 2;
  return p.promise_moved > 0 ? 1 : 0;
}

const inState = {
  '': () => true,
  trouble: (status, p) => trouble(status, p) > 0,
  free: (status, p) => usable(status, p.project) && p.models.some((m) => freeAt(m) !== null && freeAt(m) <= poolNow()),
  busy: (status, p) => p.models.some((m) => m.rpm.used > 0 || m.booked?.length),
};

const usedToday = (p) => p.models.reduce((n, m) => n + m.rpd.used, 0);

const inSort = {
  trouble: (status) => (a, b) => trouble(status, b) - trouble(status, a),
  name: () => (a, b) => a.project.localeCompare(b.project),
  used: () => (a, b) => usedToday(b) - usedToday(a),
};

// More than this many projects or keys are folded away until asked for.
const most = 12;

// keysOf lists the keys of a project. They are looked for many times while a status is drawn.
const keysBy = new WeakMap();
function keysOf(status, project) {
  let index = keysBy.get(status);
  if (!index) {
    index = Map.groupBy(status.keys ?? [], (k) => k.project);
    keysBy.set(status, index);
  }
  return index.get(project) ?? [];
}

// usable says whether any key of a project can send: a spent day is the
// calendar's to tell.
const usable = (status, project) =>
  keysOf(status, project).some((k) => k.status !== 'invalid' && k.status !== 'disabled');

const inChain = (status, model) => (status.model_chain ?? []).includes(model);

// chainOf is the part of the chain that a project has: what is of its provider, whose name is
// before its models' unless it is Gemini.
const chainOf = (status, project) =>
  (status.model_chain ?? []).filter((name) => (name.includes('/') ? name.split('/')[0] : '') === (project.provider ?? ''));

// currentModel is what a project offers: the first of the chain that it has and whose day isn't
// spent there.
function currentModel(status, project) {
  if (!usable(status, project.project)) return undefined;
  return chainOf(status, project).find((name) => !spent(status, project, name));
}

// spent says whether a project has nothing left of a model today. One that isn't
// listed has never been asked for anything.
function spent(status, project, name) {
  const model = project.models.find((m) => m.model === name);
  if (!model) return false;
  const blocked =
    ['upstream_day', 'unavailable'].includes(model.block?.cause) && instant(model.block.until) > instant(status.now);
  return blocked || (!unlimited(model.rpd.limit) && model.rpd.used >= model.rpd.limit);
}

// freeAt is when a request of the chosen size could start, null if never, and
// undefined where the status doesn't say.
function freeAt(model) {
  const text = model.next_free?.[choice.size];
  return text === null ? null : text === undefined ? undefined : instant(text);
}

// inOrder lists a project's models as the chain does, then the others.
function inOrder(status, models) {
  const rank = (m) => {
    const at = (status.model_chain ?? []).indexOf(m.model);
    return at < 0 ? Infinity : at;
  };
  return [...models].sort((a, b) => (rank(a) === rank(b) ? 0 : rank(a) - rank(b)));
}

function shownProjects(status) {
  const wanted = choice.filter.trim().toLowerCase();
  const all = status.projects ?? [];
  const matching = ofChosen(status, all)
    .filter(
      (p) => !wanted || p.project.toLowerCase().includes(wanted) || p.models.some((m) => m.model.includes(wanted)),
    )
    .filter((p) => inState[choice.state](status, p))
    .sort(inSort[choice.sort](status));
  const found = byProvider(status, matching);
  const shown = choice.allCalendars ? found : found.slice(0, most);
  return { all, found, shown };
}

function renderCalendars(status, now) {
  const { all, found, shown } = shownProjects(status);
  const range = extent(
    shown.flatMap((p) => p.models),
    now,
  );
  const width = Math.max(120, plotWidth());
  fill('legend', legend(status, shown));
  fill('axis', axis(range, now, width));
  fill(
    'calendars',
    grouped(
      status,
      shown,
      (p) => projectRows(status, p, range, now, width),
      (name, id) => el('h3', { class: 'group', 'data-id': id }, name),
    ),
    !all.length && el('p', { class: 'note' }, 'There is no project yet.'),
    all.length > 0 && !found.length && el('p', { class: 'note' }, 'No project is like that.'),
    more('calendars', found.length, 'project'),
  );
  renderTools(status, all.length > most);
}

// renderTools offers what the calendars are chosen by: the provider where there are several, the
// rest where there are many projects. What is being typed or chosen there is left alone.
function renderTools(status, many) {
  const providers = several(status) ? providersOf(status) : [];
  const offers = [many, ...providers].join(' ');
  if ((many || providers.length) && $('calendars-tools').dataset.offers !== offers) {
    $('calendars-tools').dataset.offers = offers;
    const labelled = (id, text, field) => el('span', { class: 'labelled' }, el('label', { for: id }, text), ' ', field);
    const picker = (id, text, options, chosen) =>
      labelled(
        id,
        text,
        el(
          'select',
          { id },
          Object.entries(options).map(([value, name]) => el('option', { value, selected: value === chosen }, name)),
        ),
      );
    const names = Object.fromEntries(providers.map((name) => [name, providerName(name)]));
    fill(
      'calendars-tools',
      providers.length > 0 && [picker('calendars-provider', 'Provider', { '': 'all', ...names }, choice.provider), ' '],
      many && [
        labelled(
          'filter',
          'Find',
          el('input', { id: 'filter', type: 'search', placeholder: 'project or model', autocomplete: 'off', value: choice.filter }),
        ),
        ' ',
        picker('calendars-state', 'Show', chosenBy, choice.state),
        ' ',
        picker('calendars-sort', 'Order', orders, choice.sort),
      ],
    );
  }
}

// more is the button that unfolds what is beyond the first few.
function more(of, total, noun) {
  if (total <= most) return null;
  const all = of === 'calendars' ? choice.allCalendars : choice.allKeys;
  return el(
    'button',
    { type: 'button', class: 'quiet more', 'data-action': `fold-${of}`, 'aria-expanded': String(all) },
    all ? `Show the first ${most} only` : `Show all ${plural(total, noun)}`,
  );
}

// plotWidth is the width that the drawings have. All have the same.
function plotWidth() {
  const first = document.querySelector('#calendars .drawing') ?? $('axis');
  return Math.floor(first.clientWidth);
}

// legend explains what is drawn, as far as there is any of it.
function legend(status, projects) {
  const models = projects.flatMap((p) => p.models);
  const sample = (kind) =>
    svg('svg', { class: 'sample', width: 22, height: 12, viewBox: '0 0 22 12', 'aria-hidden': 'true' }, kind);
  const entry = (drawn, text) => el('span', { class: 'legend-entry' }, sample(drawn), text);
  return [
    entry(svg('rect', { class: 'sent', x: 0.5, y: 2, width: 21, height: 9 }), 'tokens sent'),
    models.some((m) => m.booked?.length) &&
      entry(svg('rect', { class: 'booked', x: 0.5, y: 2, width: 21, height: 9 }), 'tokens booked'),
    entry(svg('path', { class: 'requests', d: 'M0 9h8V4h14' }), 'requests'),
    models.some((m) => m.block) &&
      entry(svg('rect', { class: 'blocked', x: 0, y: 1, width: 22, height: 10 }), `blocked by ${whom(status)}`),
    entry(
      svg('path', { class: 'free', d: 'M7 1v10m0-10l4 0l-4 5z' }),
      `next free for ${short(Number(choice.size))} tokens`,
    ),
    el('span', { class: 'legend-entry' }, 'Height is the share of the minute’s limit.'),
  ];
}

function projectRows(status, p, range, now, width) {
  const current = currentModel(status, p);
  return el(
    'section',
    { class: 'project', 'data-id': p.project, 'aria-label': `Project ${p.project}` },
    el(
      'h3',
      null,
      el('span', { class: 'project-name' }, p.project),
      p.tier && el('span', { class: 'tag' }, p.tier === 'free' ? 'free tier' : `tier ${p.tier}`),
      keysOf(status, p.project).map(keyChip),
      p.promise_moved > 0 && el('span', { class: 'tag warn' }, `${plural(p.promise_moved, 'promise')} moved today`),
    ),
    still(status, p, now)
      ? el('p', { class: 'note' }, 'None of its keys can be used, and nothing was sent today.')
      : [rows(status, p, current, range, now, width), apart(p, now)],
    !p.models.length && el('p', { class: 'note' }, 'Nothing has been sent or booked here yet.'),
  );
}

// rows are those of a project, but what is idle shares one: a long chain would
// hide what goes on.
function rows(status, p, current, range, now, width) {
  const models = inOrder(status, p.models);
  const idle = models.filter((m) => m.model !== current && !m.block && !m.probing && unused(m, now));
  const drawn = idle.length > 1 ? models.filter((m) => !idle.includes(m)) : models;
  return [
    drawn.map((m) => row(status, p, m, current, range, now, width)),
    drawn.length < models.length &&
      el(
        'p',
        { class: 'note idle' },
        'Idle today: ',
        idle.map((m, i) => [i > 0 && ', ', el('span', null, m.model)]),
        '.',
      ),
  ];
}

// apart lists what has limits of its own beside the models' minutes: output, other periods, and
// features of Gemini's.
function apart(p, now) {
  const listed = (p.features ?? [])
    .map((m) => ({ m, blocked: blockTag(m, now) }))
    .filter(({ m, blocked }) => blocked || [m.rpm, m.tpm, m.rpd].some((l) => !unlimited(l.limit)));
  return (
    listed.length > 0 && [
      el('h4', { class: 'note' }, 'Limits beside those of a model’s minute'),
      el(
        'ul',
        { class: 'apart' },
        listed.map(({ m, blocked }) =>
          el(
            'li',
            { 'data-id': m.model },
            el('div', { class: 'row-name' }, el('span', null, m.model), blocked && [' ', el('span', { class: 'row-state' }, blocked)]),
            el(
              'dl',
              { class: 'meters' },
              !unlimited(m.rpm.limit) && meter('Requests', 'Requests', m.rpm),
              !unlimited(m.tpm.limit) && meter('Tokens', 'Tokens', m.tpm),
              !unlimited(m.rpd.limit) && meter('RPD', 'Requests a day', m.rpd),
            ),
          ),
        ),
      ),
    ]
  );
}

// unused says that nothing was sent today or booked, and nothing is drawn.
const unused = (m, now) => !recent(m, now).length && !m.booked?.length && m.rpd.used === 0;

// still says that a project has nothing to be drawn: it can't send, and didn't.
const still = (status, p, now) =>
  p.models.length > 0 && !usable(status, p.project) && p.models.every((m) => unused(m, now));

const keyChip = (k) =>
  el(
    'span',
    { class: `chip ${k.status}` },
    icon(k.status),
    `key ${k.key_index}`,
    k.status !== 'healthy' && ` ${k.status}`,
  );

function row(status, p, m, current, range, now, width) {
  const free = freeAt(m);
  const off = !usable(status, p.project) || !inChain(status, m.model);
  return el(
    'div',
    { class: `row${off ? ' off' : ''}`, 'data-id': m.model },
    el(
      'div',
      { class: 'row-name' },
      el('h4', null, m.model),
      el('p', { class: 'row-state' }, rowState(status, p, m, current, free, now)),
    ),
    el(
      'div',
      { class: 'drawing' },
      plot(m, range, now, width, free ?? null),
      el('p', { class: 'hidden' }, summary(m, now)),
    ),
    el(
      'dl',
      { class: 'meters' },
      meter('RPM', 'Requests a minute', m.rpm),
      meter('TPM', 'Tokens a minute', m.tpm),
      meter('RPD', 'Requests a day', m.rpd),
    ),
  );
}

// rowState is what matters most about a calendar right now.
function rowState(status, p, m, current, free, now) {
  const out = [];
  const blocked = blockTag(m, now);
  if (blocked) {
    out.push(blocked);
  } else if (!usable(status, p.project)) {
    out.push(el('span', { class: 'tag' }, 'no usable key'));
  } else if (!p.provider && !inChain(status, m.model)) {
    out.push(el('span', { class: 'tag' }, 'not in the chain now'));
  } else if (!unlimited(m.rpd.limit) && m.rpd.used >= m.rpd.limit) {
    out.push(el('span', { class: 'tag warn' }, icon('exhausted'), `day spent, back ${wait(status.resets_at, now)}`));
  } else if (free === null) {
    out.push(el('span', null, `never takes ${short(Number(choice.size))} tokens`));
  } else if (free !== undefined) {
    out.push(
      el(
        'span',
        { class: free <= now ? 'free-now' : 'free-later' },
        free <= now ? 'free now' : `free in ${span(free - now)}`,
      ),
    );
  }
  if (m.model === current) out.push(el('span', { class: 'tag current' }, 'current'));
  if (m.probing)
    out.push(
      el(
        'span',
        { class: 'tag', title: 'One request tests whether a learned limit still holds.' },
        'probing a learned limit',
      ),
    );
  const booked = upcoming(m, now);
  if (booked.length)
    out.push(el('span', { class: 'tag booked-tag' }, `${booked.length} booked, next ${wait(booked[0].start, now)}`));
  else if (m.bookings > 0 && !m.booked) out.push(el('span', { class: 'tag booked-tag' }, `${m.bookings} booked`));
  return out.flatMap((part, i) => (i ? [' ', part] : [part]));
}

// blockTag says why nothing goes there, and until when; false where it may.
function blockTag(m, now) {
  const { cause, until } = m.block ?? {};
  return (
    instant(until) > now &&
    el(
      'span',
      { class: 'tag bad', title: causes[cause] },
      icon('block'),
      `${shortCauses[cause] ?? words(cause)}, back ${wait(until, now)}`,
    )
  );
}

function meter(name, meaning, limit) {
  const none = unlimited(limit.limit);
  const left = limit.left ?? limit.limit - limit.used;
  const text = none ? `${short(limit.used)}, no limit` : `${short(limit.used)} of ${short(limit.limit)}`;
  const title = none
    ? `${meaning}: ${count(limit.used)} used, no limit`
    : `${meaning}: ${count(limit.used)} used, ${count(Math.max(0, left))} left of ${count(limit.limit)}`;
  return el(
    'div',
    { class: 'meter', title },
    el('dt', null, el('abbr', { title: meaning }, name)),
    el('dd', null, bar(share(limit.used, limit.limit)), el('span', { class: 'figure' }, text)),
  );
}
