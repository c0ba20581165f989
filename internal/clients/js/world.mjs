// What the suites share: where Fluxgate is, how its pool is made busy, and how
// to tell an answer of the simulated Gemini behind it.

export function need(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: go test ./internal/clients sets it`);
  return value;
}

export const url = need('FLUXGATE_URL');
export const token = need('FLUXGATE_TOKEN');
const control = need('CLIENTS_CONTROL_URL');

export const models = {
  auto: need('CLIENTS_MODEL_AUTO'), // the chain, which is roomy alone
  roomy: need('CLIENTS_MODEL_ROOMY'), // never refused
  busy: need('CLIENTS_MODEL_BUSY'), // one request per minute and project, taken after makeBusy
  spent: need('CLIENTS_MODEL_SPENT'), // its day is spent
  embedding: need('CLIENTS_MODEL_EMBEDDING'),
  live: need('CLIENTS_MODEL_LIVE'),
  video: need('CLIENTS_MODEL_VIDEO'),
  picture: need('CLIENTS_MODEL_PICTURE'),
};

// An image of one pixel, and what Gemini counts for an image that is small.
export const pixel =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
export const imageTokens = 258;

// translation is what the simulated Gemini answers to a text: every vowel
// becomes the next one.
export function translation(text) {
  const next = { a: 'e', e: 'i', i: 'o', o: 'u', u: 'a' };
  return text.replace(/[aeiou]/gi, (c) => {
    const to = next[c.toLowerCase()];
    return c === c.toLowerCase() ? to : to.toUpperCase();
  });
}

// long is a text whose answer comes in several pieces.
export const long = 'The quick brown fox jumps over the lazy dog, and then it rests for a while. '.repeat(20).trim();

// makeBusy has the next request find no room on a model for about two seconds.
export async function makeBusy(model = models.busy) {
  const response = await fetch(`${control}/busy?model=${model}`, { method: 'POST' });
  if (!response.ok) throw new Error(`make busy: ${response.status} ${await response.text()}`);
}

async function answers() {
  const response = await fetch(`${control}/answers`);
  if (!response.ok) throw new Error(`answers: ${response.status}`);
  return response.json();
}

// watch returns a function that returns what Fluxgate has answered since:
// method, path and status, in order.
export async function watch() {
  const { length } = await answers();
  return async () => (await answers()).slice(length);
}

// statuses returns the statuses alone.
export const statuses = (list) => list.map((a) => a.status);

// timed returns how many milliseconds a call took, and its result or its error.
export async function timed(call) {
  const start = performance.now();
  try {
    const result = await call();
    return { took: performance.now() - start, result };
  } catch (error) {
    return { took: performance.now() - start, error };
  }
}

// atOnce is how long, in milliseconds, a client may take to report a refusal
// that it doesn't retry.
export const atOnce = 5000;

// polled asks again, every quarter of a second, until what is answered is done.
export async function polled(ask, done) {
  for (let n = 0; n < 240; n++) {
    const answer = await ask();
    if (done(answer)) return answer;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  throw new Error('it is not done after a minute');
}
