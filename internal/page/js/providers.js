// The providers that there are keys of. With one alone nothing is said of it.

const gemini = 'gemini';

// Those that have names of their own; others are called as they are configured.
const providerNames = { [gemini]: 'Gemini', openai: 'OpenAI', anthropic: 'Anthropic' };

const providerName = (name) => (Object.hasOwn(providerNames, name) ? providerNames[name] : name);

// providerOf is that of a project or a key.
const providerOf = (x) => x.provider || gemini;

// providersOf lists them, Gemini first.
function providersOf(status) {
  const all = new Set([...(status.keys ?? []), ...(status.projects ?? [])].map(providerOf));
  return [...all].sort((a, b) => (b === gemini) - (a === gemini) || a.localeCompare(b));
}

const several = (status) => providersOf(status).length > 1;

// whom says who refuses: one of them, or Gemini.
const whom = (status) => (several(status) ? 'providers' : providerName(providersOf(status)[0] ?? gemini));

// ofChosen keeps the projects or keys of the provider that the reader chose, if that is one.
function ofChosen(status, list) {
  if (!providersOf(status).includes(choice.provider)) return list;
  return list.filter((x) => providerOf(x) === choice.provider);
}

// byProvider sorts projects or keys by it, and leaves their order otherwise.
function byProvider(status, list) {
  const rank = new Map(providersOf(status).map((name, i) => [name, i]));
  return [...list].sort((a, b) => rank.get(providerOf(a)) - rank.get(providerOf(b)));
}

// grouped draws a sorted list with a heading before those of each provider.
function grouped(status, list, draw, heading) {
  if (!several(status)) return list.map(draw);
  return list.map((x, i) => {
    const first = i === 0 || providerOf(list[i - 1]) !== providerOf(x);
    return [first && heading(providerName(providerOf(x)), `provider-${providerOf(x)}`), draw(x)];
  });
}
