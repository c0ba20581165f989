// The drawing of one calendar. Height is the share of the limit: the area is
// tokens, the line is requests, and the top edge is where there is no room.

const plotHeight = 44;
const plotTop = 4;

// A scale turns instants into pixels of a plot.
const scale = (range, width) => (when) => ((when - range.from) / (range.to - range.from)) * width;

const px = (n) => n.toFixed(1);

// stairs is the path over steps, from left to right, without its way back.
function stairs(steps, range, x, y) {
  const points = [];
  steps.forEach((step, i) => {
    const until = i + 1 < steps.length ? steps[i + 1].when : range.to;
    points.push(`${px(x(step.when))},${px(y(step))}`, `${px(x(until))},${px(y(step))}`);
  });
  return points;
}

// edges is the line over those steps that there is something of, up from the
// floor and down to it again.
function edges(steps, range, x, y, some) {
  let path = '';
  let drawing = false;
  steps.forEach((step, i) => {
    const until = i + 1 < steps.length ? steps[i + 1].when : range.to;
    if (some(step))
      path += `${drawing ? 'L' : `M${px(x(step.when))} ${plotHeight}L`}${px(x(step.when))} ${px(y(step))}L${px(x(until))} ${px(y(step))}`;
    else if (drawing) path += `L${px(x(step.when))} ${plotHeight}`;
    drawing = some(step);
  });
  return path;
}

// area is the polygon between two stairs.
const area = (upper, lower) => [...upper, ...lower.reverse()].join(' ');

// gridlines are the whole minutes seen from now.
function gridlines(range, now) {
  const lines = [];
  for (let when = now - back; when <= range.to + 1; when += minute) lines.push(when);
  return lines;
}

// plot draws a calendar into a given width.
function plot(model, range, now, width, free) {
  const x = scale(range, width);
  const steps = occupancy(model, range.from, range.to);
  const tokens = ceiling(model.tpm.limit, steps, (s) => s.tokens);
  const requests = ceiling(model.rpm.limit, steps, (s) => s.requests);
  const height = plotHeight - plotTop;
  const y = (part) => plotTop + height * (1 - Math.min(1, part));
  const sent = stairs(steps, range, x, (s) => y(s.sentTokens / tokens));
  const all = stairs(steps, range, x, (s) => y(s.tokens / tokens));
  const floor = [`${px(0)},${plotHeight}`, `${px(width)},${plotHeight}`];
  const booked = steps.some((s) => s.tokens > s.sentTokens || s.requests > s.sentRequests);
  return svg(
    'svg',
    { class: 'plot', width, height: plotHeight + 6, viewBox: `0 0 ${width} ${plotHeight + 6}`, 'aria-hidden': 'true' },
    gridlines(range, now).map((when) =>
      svg('line', { class: 'grid', x1: px(x(when)), x2: px(x(when)), y1: plotTop, y2: plotHeight }),
    ),
    blocked(model, range, now, x),
    svg('polygon', { class: 'sent', points: area([...sent], [...floor]) }),
    booked && svg('polygon', { class: 'booked', points: area([...all], [...sent]) }),
    booked &&
      svg('path', {
        class: 'booked-edge',
        d: edges(
          steps,
          range,
          x,
          (s) => y(s.tokens / tokens),
          (s) => s.tokens > s.sentTokens,
        ),
      }),
    svg('line', { class: 'cap', x1: 0, x2: width, y1: plotTop, y2: plotTop }),
    svg('line', { class: 'base', x1: 0, x2: width, y1: plotHeight, y2: plotHeight }),
    svg('path', {
      class: 'requests',
      d: edges(
        steps,
        range,
        x,
        (s) => y(s.requests / requests),
        (s) => s.requests > 0,
      ),
    }),
    starts(model, range, x),
    free !== null && free > now && free < range.to && marker(x(free)),
    svg('line', { class: 'now', x1: px(x(now)), x2: px(x(now)), y1: 0, y2: plotHeight + 2 }),
  );
}

// blocked is the time in which nothing goes, for the provider said so.
function blocked(model, range, now, x) {
  if (!model.block) return null;
  const until = Math.min(range.to, instant(model.block.until));
  if (until <= now) return null;
  return svg('rect', {
    class: 'blocked',
    x: px(x(now)),
    width: px(x(until) - x(now)),
    y: plotTop,
    height: plotHeight - plotTop,
  });
}

// starts are ticks below the plot where requests began or will: the more of them
// the later ones hide, so there are as many as there are pixels for.
function starts(model, range, x) {
  const ticks = new Map();
  for (const [kind, list] of [
    ['sent', model.sent],
    ['booked', model.booked],
  ]) {
    for (const interval of list ?? []) {
      const when = instant(interval.start);
      if (when < range.from || when > range.to) continue;
      ticks.set(Math.round(x(when)), kind);
    }
  }
  return [...ticks].map(([left, kind]) =>
    svg('line', { class: `tick ${kind}`, x1: left, x2: left, y1: plotHeight + 1, y2: plotHeight + 6 }),
  );
}

// marker points at the next free instant.
const marker = (left) =>
  svg('path', {
    class: 'free',
    d: `M${px(left)} ${plotTop + 1}v${plotHeight - plotTop - 2}m0 ${-(plotHeight - plotTop - 2)}l4 0l-4 5z`,
  });

// axis labels the minutes of the plots below it.
function axis(range, now, width) {
  const x = scale(range, width);
  const room = width / ((range.to - range.from) / minute);
  const every = room >= 62 ? 1 : room >= 31 ? 2 : 4;
  return svg(
    'svg',
    { width, height: 20, viewBox: `0 0 ${width} 20` },
    gridlines(range, now).map((when) => {
      const minutes = Math.round((when - now) / minute);
      if (minutes % every !== 0) return null;
      const left = x(when);
      const anchor = left < 12 ? 'start' : left > width - 20 ? 'end' : 'middle';
      const text = minutes === 0 ? 'now' : `${minutes > 0 ? '+' : '−'}${Math.abs(minutes)} min`;
      return svg('text', { class: minutes === 0 ? 'axis-now' : null, x: px(left), y: 14, 'text-anchor': anchor }, text);
    }),
  );
}
