// What a calendar looks like: the sums of its intervals over time. An interval
// counts from its start to its end, and where several do their weights add up.

// occupancy returns the steps of a calendar from one instant to another: from
// each step's start on, this many requests and tokens are sent and booked.
function occupancy(model, from, to) {
  const edges = new Map([[from, [0, 0, 0, 0]]]);
  const edge = (when, sign, index, interval) => {
    const sums = edges.get(when) ?? [0, 0, 0, 0];
    sums[index] += sign * interval.requests;
    sums[index + 1] += sign * interval.tokens;
    edges.set(when, sums);
  };
  const collect = (list, index) => {
    for (const interval of list ?? []) {
      const start = Math.max(from, instant(interval.start));
      const end = Math.min(to, instant(interval.end));
      if (end <= start) continue;
      edge(start, 1, index, interval);
      edge(end, -1, index, interval);
    }
  };
  collect(model.sent, 0);
  collect(model.booked, 2);
  const sums = [0, 0, 0, 0];
  return [...edges]
    .sort(([a], [b]) => a - b)
    .map(([when, change]) => {
      change.forEach((n, i) => {
        sums[i] += n;
      });
      return {
        when,
        sentRequests: sums[0],
        sentTokens: sums[1],
        requests: sums[0] + sums[2],
        tokens: sums[1] + sums[3],
      };
    });
}

// ceiling is what the full height of a plot stands for: the limit, or where
// there is none the most that is taken.
function ceiling(limit, steps, of) {
  return unlimited(limit) ? Math.max(1, ...steps.map(of)) : Math.max(1, limit);
}

// extent is the time that all plots show: two minutes back, and ahead to the end
// of what is known, in whole minutes.
const back = 2 * minute;

function extent(models, now) {
  let last = now + 90 * second;
  for (const m of models) {
    for (const interval of [...(m.sent ?? []), ...(m.booked ?? [])]) last = Math.max(last, instant(interval.end));
  }
  const ahead = Math.min(12, Math.ceil((last - now) / minute)) * minute;
  return { from: now - back, to: now + ahead };
}

// upcoming lists the bookings that haven't ended, the next one first.
function upcoming(model, now) {
  return (model.booked ?? []).filter((b) => instant(b.end) > now).sort((a, b) => instant(a.start) - instant(b.start));
}

// recent lists what was sent in the time that is drawn: the status may know more.
const recent = (model, now) =>
  (model.sent ?? []).filter((i) => instant(i.start) > now - back && instant(i.start) <= now);

// summary is what the drawing of a calendar shows, in words.
function summary(model, now) {
  const parts = [];
  const sent = recent(model, now);
  const requests = sent.reduce((n, i) => n + i.requests, 0);
  const tokens = sent.reduce((n, i) => n + i.tokens, 0);
  parts.push(
    requests
      ? `${plural(requests, 'request')} with ${plural(tokens, 'token')} sent in the last two minutes`
      : 'Nothing sent in the last two minutes',
  );
  const booked = upcoming(model, now);
  if (booked.length) {
    const [first] = booked;
    parts.push(
      `${plural(booked.length, 'booking')} ahead, the first ${wait(first.start, now)} with ${plural(first.tokens, 'token')}`,
    );
  } else {
    parts.push('no bookings ahead');
  }
  if (model.block && instant(model.block.until) > now) {
    parts.push(`blocked until ${at(model.block.until)}: ${causes[model.block.cause] ?? words(model.block.cause)}`);
  }
  return `${parts.join('; ')}.`;
}
