// The keys, and what can be done to them.

// keyTroubles are the states of keys that come first where not all are shown, the worst first.
const keyTroubles = ['invalid', 'unknown', 'disabled', 'exhausted'];

// shownKeys are those that are shown, in their order.
function shownKeys(keys) {
  if (choice.allKeys || keys.length <= most) return keys;
  const rank = (k) => (keyTroubles.includes(k.status) ? keyTroubles.indexOf(k.status) : keyTroubles.length);
  return keys.toSorted((a, b) => rank(a) - rank(b)).slice(0, most);
}

function renderKeys(status, now) {
  const keys = ofChosen(status, status.keys ?? []);
  fill(
    'keys-tools',
    admin() && [
      button('validate', 'Validate all', 'quiet', { title: 'Checks every key with a free request' }),
      button('refresh-policy', 'Refresh policy', 'quiet', { title: 'Asks Gemini again what its limits are' }),
    ],
  );
  fill(
    'keys-note',
    el('p', { class: 'note' }, checkedText(status, now)),
    !admin() && el('p', { class: 'note locked' }, icon('disabled'), 'Controls need an administrator’s token.'),
  );
  fill(
    'keys',
    grouped(
      status,
      byProvider(status, shownKeys(keys)),
      (k) => keyRow(k, now),
      (name, id) => el('li', { class: 'group', 'data-id': id }, name),
    ),
  );
  fill('keys-more', more('keys', keys.length, 'key'));
}

function checkedText(status, now) {
  return status.validation ? `Validated ${ago(now - instant(status.validation.at))}.` : 'Not validated yet.';
}

// policyText says what Gemini last said of its own limits.
function policyText(status, now) {
  const policy = status.reported_policy;
  if (!policy) return '';
  const when = ago(now - instant(policy.at));
  return policy.error
    ? `Gemini’s own policy couldn’t be had ${when}: ${policy.error}`
    : `Gemini reported its policy ${when}.`;
}

// button is a control. What runs is marked, not disabled, so that it keeps focus.
function button(action, text, kind = '', values = {}) {
  const id =
    action +
    (values['data-key'] ? `-${values['data-key']}` : '') +
    (values['data-value'] ? `-${values['data-value']}` : '');
  const runs = running.has(id);
  return el(
    'button',
    {
      type: 'button',
      class: kind,
      'data-action': action,
      'data-run': id,
      'aria-disabled': runs && 'true',
      'aria-busy': runs && 'true',
      ...values,
    },
    text,
  );
}

function keyRow(k, now) {
  const notes = [];
  if (k.status === 'invalid') notes.push(`${providerName(providerOf(k))} says: ${k.reason || 'invalid'}`);
  if (k.status === 'exhausted' && k.until) notes.push(`until ${dated(k.until)}`);
  notes.push(k.last_used_at ? `used ${ago(now - k.last_used_at * second)}` : 'never used');
  if (k.checked_at) notes.push(`checked ${ago(now - instant(k.checked_at))}`);
  const off = k.status === 'disabled';
  return el(
    'li',
    { class: 'key', 'data-id': k.key_index },
    el('span', { class: `state ${k.status}` }, icon(k.status)),
    el(
      'div',
      { class: 'key-name' },
      el('p', null, el('strong', null, `Key ${k.key_index}`), ' ', el('span', { class: `word ${k.status}` }, k.status)),
      el(
        'p',
        { class: 'note key-project' },
        k.project,
        // A key that names no project is one of its own, called by the fingerprint.
        !k.project.includes(k.fingerprint) && [
          ' ',
          el('code', { title: 'Fingerprint: the beginning of the key’s SHA-256' }, k.fingerprint),
        ],
      ),
      el('p', { class: 'note' }, notes.join(' · ')),
    ),
    admin() &&
      el(
        'div',
        { class: 'key-buttons' },
        button(off ? 'enable' : 'disable', off ? 'Enable' : 'Disable', '', {
          'data-key': k.key_index,
          'aria-label': `${off ? 'Enable' : 'Disable'} key ${k.key_index}`,
        }),
        button('reset', 'Reset', 'quiet', {
          'data-key': k.key_index,
          'aria-label': `Reset key ${k.key_index}`,
          title: 'Forgets its project’s blocks and learned limits, and that it is invalid',
        }),
      ),
  );
}

// renderMode is the filter over the chain and, where tiers of projects are known, which of them
// are used first.
function renderMode(status) {
  const tiers = (status.projects ?? []).some((p) => p.tier);
  fill(
    'mode',
    setting(status, 'mode', 'Mode', modes),
    status.prefer && (tiers || status.prefer !== 'any') && setting(status, 'prefer', 'Used first', preferences),
  );
}

// setting is a choice that holds for everyone, and who made it.
function setting(status, name, label, texts) {
  const set = status[`${name}_source`] === 'run_time';
  const last = (status.events ?? []).find((e) => e.what.startsWith(`${name} `));
  const from = set ? `set at run time${last?.who ? ` by ${last.who}, ${ago(poolNow() - instant(last.at))}` : ''}` : 'as configured';
  return [
    el('p', { class: 'control-label', id: `${name}-label` }, label, ' ', el('span', { class: 'note' }, from)),
    admin()
      ? el(
          'div',
          { class: 'picker wide', role: 'group', 'aria-labelledby': `${name}-label` },
          Object.entries(texts).map(([value, text]) =>
            button(name, text, '', { 'data-value': value, 'aria-pressed': String(value === status[name]) }),
          ),
          set && button(name, 'As configured', 'quiet', { 'data-value': 'configured' }),
        )
      : el(
          'p',
          null,
          el('strong', null, texts[status[name]] ?? words(status[name])),
          el('span', { class: 'note' }, ' An administrator’s token can change it.'),
        ),
  ];
}

// renderChain shows the order in which models are offered, and which of them
// projects are at.
function renderChain(status) {
  const chain = status.model_chain ?? [];
  const projects = (status.projects ?? []).filter((p) => usable(status, p.project));
  const on = projects.map((p) => currentModel(status, p));
  const counts = chain.map((name) => on.filter((current) => current === name).length);
  const top = Math.max(...counts, 1);
  fill(
    'chain',
    chain.map((name, i) => {
      const current = counts[i] === top;
      return el(
        'li',
        { class: current ? 'is-current' : null, 'data-id': name, 'aria-current': current ? 'true' : null },
        el('span', { class: 'chain-name' }, name),
        el('span', { class: 'note' }, chainText(status, name, counts[i], projects.filter((p) => chainOf(status, p).includes(name)))),
      );
    }),
    !chain.length && el('li', { class: 'note' }, 'The chain is empty.'),
  );
}

function chainText(status, name, current, projects) {
  if (!projects.length) return 'no usable key';
  if (current === projects.length) return current === 1 ? 'current' : `current on all ${count(current)} projects`;
  if (current) return `current on ${count(current)} of ${count(projects.length)} projects`;
  return projects.every((p) => spent(status, p, name)) ? 'spent for today' : 'in reserve';
}
