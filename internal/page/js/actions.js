// The controls. One listener serves every button, so that what is drawn anew
// needs none.

// running holds the controls whose request is under way.
const running = new Set();

// say tells of a success; it leaves by itself. fail tells of an error; it stays.
let saidTimer;
let undoing = null;
function say(text, undo = null) {
  clearTimeout(saidTimer);
  undoing = undo;
  $('failed').hidden = true;
  $('said').hidden = false;
  fill('said', text, undo && el('button', { type: 'button', class: 'quiet', 'data-action': 'undo' }, 'Undo'), dismiss());
  saidTimer = setTimeout(() => {
    $('said').hidden = true;
  }, (undo ? 20 : 8) * second);
}

function fail(text) {
  $('said').hidden = true;
  $('failed').hidden = false;
  fill('failed', text, dismiss());
}

const dismiss = () =>
  el('button', { type: 'button', class: 'quiet', 'data-action': 'dismiss', 'aria-label': 'Dismiss' }, '×');

const keyProject = (index) => (view.status?.keys ?? []).find((k) => k.key_index === index)?.project;

// sendable counts the keys that can send.
const sendable = () =>
  (view.status?.keys ?? []).filter((k) => k.status === 'healthy' || k.status === 'exhausted').length;

// What each control asks for, and what it says when that is done.
const controls = {
  mode: ({ value }) => ({
    path: '/config',
    body: { mode: value === 'configured' ? null : value },
    done: (answer) => `The mode is “${modes[answer.mode]}” now, for everyone. Other instances follow within 10 seconds.`,
    undo: { mode: view.status?.mode_source === 'run_time' ? view.status.mode : null },
  }),
  prefer: ({ value }) => ({
    path: '/config',
    body: { prefer: value === 'configured' ? null : value },
    done: (answer) =>
      `What is used first: “${preferences[answer.prefer]}” now, for everyone. Other instances follow within 10 seconds.`,
    undo: { prefer: view.status?.prefer_source === 'run_time' ? view.status.prefer : null },
  }),
  disable: ({ key }) => ({
    path: '/config',
    body: { disable_key: key },
    done: `Key ${key} is disabled.`,
    undo: { enable_key: key },
    ask: sendable() <= 1 && {
      title: `Disable key ${key}?`,
      text: 'It is the last key that can send. Every request is refused until one is enabled.',
      yes: 'Disable',
    },
  }),
  enable: ({ key }) => ({ path: '/config', body: { enable_key: key }, done: `Key ${key} is enabled.` }),
  reset: ({ key }) => ({
    path: '/reset',
    body: { key },
    done: `Key ${key} is reset.`,
    ask: {
      title: `Reset key ${key}?`,
      text: `This forgets the blocks and the learned limits of its project, ${keyProject(key)}, and that the key was found invalid, if it was. If its provider still refuses, Fluxgate has to learn it again.`,
      yes: 'Reset',
    },
  }),
  validate: () => ({ path: '/validate', body: {}, done: validated }),
  'refresh-policy': () => ({ path: '/refresh-policy', body: {}, done: refreshed }),
};

function validated(answer) {
  const keys = answer.keys ?? [];
  const bad = keys.filter((k) => k.status === 'invalid');
  if (answer.running) return `Another instance is validating. Its last results, of ${dated(answer.at)}, are shown.`;
  return `${plural(keys.length, 'key')} checked: ${bad.length ? `${bad.map((k) => `key ${k.key_index}`).join(', ')} invalid.` : 'none is invalid.'}`;
}

function refreshed(answer) {
  if (answer.error) throw new Error(`Gemini’s policy couldn’t be had: ${answer.error}`);
  const refused = (answer.refused ?? []).map((r) => `${r.limit.toUpperCase()} ${count(r.value)} for ${r.model}`);
  return `Gemini reported ${plural(Object.keys(answer.models ?? {}).length, 'model')}.${refused.length ? ` Refused as absurd: ${refused.join(', ')}.` : ''}`;
}

async function control(name, element) {
  const id = element.dataset.run;
  if (running.has(id)) return;
  const { path, body, done, ask, undo } = controls[name]({ key: Number(element.dataset.key), value: element.dataset.value });
  if (ask && !(await confirmed(ask))) return;
  running.add(id);
  draw();
  try {
    const answer = await request('POST', path, body);
    say(typeof done === 'function' ? done(answer) : done, undo);
  } catch (error) {
    if (error.status === 403) view.forbidden = true;
    if (error.status === 401) lock(error.message);
    else fail(error.message);
  } finally {
    running.delete(id);
    draw();
  }
  if (!view.locked) await poll();
}

// confirmed asks before what can't be undone.
let answerConfirm = () => {};
function confirmed({ title, text, yes }) {
  fill('confirm-title', title);
  fill('confirm-text', text);
  fill('confirm-yes', yes);
  $('confirm').showModal();
  return new Promise((resolve) => {
    answerConfirm = resolve;
  });
}

function answered(yes) {
  answerConfirm(yes);
  $('confirm').close();
}

// plan asks when a number of tokens could go.
async function plan(event) {
  event.preventDefault();
  fill('plan-error');
  const tokens = tokensOf($('plan-tokens').value);
  if (!tokens) {
    fill('plan-error', 'Write a number of tokens, such as 450,000 or 1.2M.');
    $('plan-tokens').focus();
    return;
  }
  try {
    fill('plan', planned(await request('POST', '/plan', { tokens })));
  } catch (error) {
    fill('plan');
    if (error.status === 401) lock(error.message);
    else fill('plan-error', error.message);
  }
}

// tokensOf reads 450,000 and 450k and 1.2M alike; 0 is no number.
function tokensOf(text) {
  const match = /^(\d+(?:\.\d+)?)([kM]?)$/i.exec(text.replaceAll(/[\s,_]/g, ''));
  if (!match) return 0;
  const tokens = Number(match[1]) * { '': 1, k: 1e3, m: 1e6 }[match[2].toLowerCase()];
  return Number.isSafeInteger(tokens) && tokens > 0 ? tokens : 0;
}

// More candidates than this say nothing new.
const mostWaits = 9;

function planned(answer) {
  const { best, tokens } = answer;
  const now = instant(answer.now);
  const all = [...(answer.candidates ?? [])].sort(
    (a, b) => (a.start === null) - (b.start === null) || a.wait_ms - b.wait_ms,
  );
  const longest = Math.max(...all.map((c) => (c.start === null ? 0 : c.wait_ms)), 1);
  return [
    el(
      'p',
      { class: 'verdict' },
      `${plural(tokens, 'token')} could go `,
      el('strong', null, best ? wait(best.start, now) : 'never'),
      best && [
        best.wait_ms > 0 && `, at ${at(best.start)}`,
        ', on ',
        el('strong', null, best.project),
        ' with ',
        el('strong', null, best.model),
      ],
      '.',
    ),
    answer.own &&
      nothing(
        answer.own.start === null
          ? 'It is more than your own limits ever allow.'
          : `Your own ${answer.own.budget ? `budget (${answer.own.budget})` : 'limit'} has it wait until ${at(answer.own.start)}.`,
      ),
    el(
      'ol',
      { class: 'waits' },
      all
        .slice(0, mostWaits)
        .map((c) =>
          el(
            'li',
            { class: c.start === null ? 'never' : null },
            el('span', { class: 'waits-name' }, el('strong', null, c.model), ' on ', c.project),
            el(
              'span',
              { class: 'figure' },
              (c.start === null || c.wait_ms > 0) &&
                c.cause &&
                el('span', { class: 'note', title: causes[c.cause] }, `${shortCauses[c.cause] ?? words(c.cause)} `),
              c.start === null ? 'never' : c.wait_ms > 0 ? span(c.wait_ms) : 'now',
            ),
            bar(c.start === null ? 0 : c.wait_ms / longest, 'wait level'),
          ),
        ),
    ),
    all.length > mostWaits && nothing(`and ${plural(all.length - mostWaits, 'candidate')} that can’t be sooner.`),
  ];
}

document.addEventListener('click', (event) => {
  const element = event.target.closest('[data-action]');
  if (!element) return;
  const { action } = element.dataset;
  if (Object.hasOwn(controls, action)) control(action, element);
  else gestures[action]?.(element);
});

// What only the page itself has to do with.
const gestures = {
  size: (element) => {
    choice.size = element.dataset.size;
    keepChoice();
    draw();
  },
  'fold-calendars': () => {
    choice.allCalendars = !choice.allCalendars;
    draw();
  },
  'fold-keys': () => {
    choice.allKeys = !choice.allKeys;
    draw();
  },
  undo: async () => {
    const body = undoing;
    if (!body) return; // pressed twice
    undoing = null;
    try {
      await request('POST', '/config', body);
      say('It is as it was before.');
    } catch (error) {
      fail(error.message);
    }
    await poll();
  },
  dismiss: (element) => {
    element.parentElement.hidden = true;
  },
  'confirm-yes': () => answered(true),
  'confirm-no': () => answered(false),
  pause: () => pause(!view.paused),
  again: () => poll(),
  forget: () => {
    forget();
    lock('');
  },
};

// The escape key closes a dialog, and is a no.
$('confirm').addEventListener('cancel', () => answerConfirm(false));
$('plan-form').addEventListener('submit', plan);
$('history-project').addEventListener('change', () => {
  choice.project = $('history-project').value;
  keepChoice();
  draw();
});
for (const id of ['usage-window', 'usage-by']) {
  $(id).addEventListener('change', () => {
    keepChoice();
    askUsage(true);
  });
}
document.addEventListener('input', (event) => {
  const { id, value } = event.target;
  if (id === 'filter') choice.filter = value;
  else if (id === 'calendars-state') choice.state = value;
  else if (id === 'calendars-sort') choice.sort = value;
  else if (id === 'calendars-provider') choice.provider = value;
  else return;
  keepChoice();
  draw();
});
