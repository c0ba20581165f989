// The pool at a glance: four tiles.

const states = ['healthy', 'exhausted', 'invalid', 'disabled', 'unknown'];

function renderPool(status, now) {
  fill('pool', nextTile(status, now), keysTile(status), minuteTile(status), dayTile(status, now));
}

// tile is one figure with what explains it.
const tile = (title, figure, ...rest) =>
  el('div', { class: 'tile' }, el('h3', null, title), el('p', { class: 'big' }, figure), rest);

function keysTile(status) {
  const keys = ofChosen(status, status.keys ?? []);
  const counts = states.map((state) => [state, keys.filter((k) => k.status === state).length]).filter(([, n]) => n);
  const healthy = keys.filter((k) => k.status === 'healthy').length;
  let left = 0;
  const strip = svg(
    'svg',
    { class: 'strip-bar', width: '100%', height: 10, 'aria-hidden': 'true' },
    counts.map(([state, n]) => {
      const part = svg('rect', {
        class: `state-${state}`,
        x: `${left}%`,
        width: `${(n / keys.length) * 100}%`,
        height: 10,
      });
      left += (n / keys.length) * 100;
      return part;
    }),
  );
  return tile(
    'Keys',
    [count(healthy), el('small', null, ` of ${count(keys.length)} healthy`)],
    strip,
    el(
      'ul',
      { class: 'states' },
      counts.map(([state, n]) => el('li', { class: state, 'data-id': state }, icon(state), `${count(n)} ${state}`)),
    ),
  );
}

// candidates are the calendars that a request may go to: of Gemini's those of the chain, which
// the others have none of.
function candidates(status) {
  return ofChosen(status, status.projects ?? [])
    .filter((p) => usable(status, p.project))
    .flatMap((p) => p.models.filter((m) => p.provider || inChain(status, m.model)).map((m) => ({ project: p.project, model: m })));
}

// offered says what a request for "auto" would meet: the first model of the chain whose day
// isn't spent everywhere, when it is free, and what is free now if that isn't.
function offered(status, now) {
  const of = (name) =>
    (status.projects ?? [])
      .filter((p) => usable(status, p.project) && !spent(status, p, name))
      .map((p) => p.models.find((m) => m.model === name))
      .filter(Boolean)
      .map(freeAt)
      .filter((at) => typeof at === 'number');
  const left = (status.model_chain ?? [])
    .map((name) => ({ name, at: of(name) }))
    .filter(({ at }) => at.length)
    .map(({ name, at }) => ({ name, at: Math.min(...at) }));
  const [first] = left;
  if (!first) return null;
  return { ...first, instead: first.at > now ? left.find((m) => m.at <= now)?.name : undefined };
}

// offeredText is that in words.
function offeredText(status, now) {
  const o = offered(status, now);
  if (!o) return null;
  return el(
    'p',
    { class: 'note offered' },
    el('code', null, 'auto'),
    o.at <= now ? ' goes now, with ' : ` goes in ${span(o.at - now)}, with `,
    el('strong', null, o.name),
    o.instead && ['; ', el('strong', null, o.instead), ' is free now'],
    '.',
  );
}

function nextTile(status, now) {
  const all = candidates(status);
  const known = all
    .map((c) => ({ ...c, free: freeAt(c.model) }))
    .filter((c) => typeof c.free === 'number')
    .sort((a, b) => a.free - b.free);
  const [first] = known;
  const free = known.filter((c) => c.free <= now).length;
  let text = 'never';
  let where = 'No project and model can ever take that many at once.';
  if (first) {
    text = first.free <= now ? 'now' : span(first.free - now);
    where = [
      el('strong', null, first.model.model),
      ' on ',
      el('strong', null, first.project),
      ` · ${count(free)} of ${plural(all.length, 'calendar')} free now`,
    ];
  } else if (!ofChosen(status, status.projects ?? []).some((p) => usable(status, p.project))) {
    where = 'No key can be used.';
  } else if (all.every((c) => freeAt(c.model) === undefined)) {
    text = all.length ? 'unknown' : 'now';
    where = all.length ? 'This Fluxgate doesn’t say.' : 'Nothing has been sent yet.';
  }
  return tile(
    'Next free',
    first && first.free > now ? [el('small', null, 'in '), text] : text,
    el(
      'div',
      { class: 'picker', role: 'group', 'aria-label': 'Tokens of the request' },
      sizes.map((size) =>
        el(
          'button',
          { type: 'button', 'data-action': 'size', 'data-size': size, 'aria-pressed': String(size === choice.size) },
          short(Number(size)),
        ),
      ),
      el('span', { class: 'note' }, 'tokens'),
    ),
    el('p', { class: 'note' }, where),
    offeredText(status, now),
  );
}

// total sums up one limit over calendars; what is used where there is none counts
// apart.
function total(list, name) {
  const out = { used: 0, limit: 0, beyond: 0 };
  for (const { model } of list) {
    const { limit, used } = model[name];
    if (unlimited(limit)) {
      out.beyond += used;
      continue;
    }
    out.used += Math.min(used, limit);
    out.limit += limit;
  }
  return out;
}

const totalBar = (t) => bar(t.limit > 0 ? t.used / t.limit : 0);

// totalText is a total in a few words, after its figure.
const totalText = (t, noun) =>
  [t.limit > 0 && ` of ${short(t.limit)}`, ` ${noun}`, t.beyond > 0 && `, ${short(t.beyond)} without a limit`]
    .filter(Boolean)
    .join('');

function minuteTile(status) {
  const all = candidates(status);
  const requests = total(all, 'rpm');
  const tokens = total(all, 'tpm');
  return tile(
    'In this minute',
    [short(requests.used), el('small', null, totalText(requests, 'requests'))],
    totalBar(requests),
    el('p', { class: 'second' }, el('strong', null, short(tokens.used)), totalText(tokens, 'tokens')),
    totalBar(tokens),
  );
}

function dayTile(status, now) {
  const all = candidates(status);
  const requests = total(all, 'rpd');
  const tokens = all.reduce((n, { model }) => n + (model.tokens_today ?? 0), 0); // of the same calendars
  return tile(
    'Today',
    [short(requests.used), el('small', null, totalText(requests, 'requests'))],
    totalBar(requests),
    el('p', { class: 'second' }, el('strong', null, short(tokens)), ' tokens'),
    el(
      'p',
      { class: 'note' },
      `${requests.limit ? `${count(Math.max(0, requests.limit - requests.used))} requests left. ` : ''}The day ends `,
      el('span', { class: 'nobreak' }, `${wait(status.resets_at, now)}, ${at(status.resets_at).slice(0, 5)}.`),
    ),
  );
}
