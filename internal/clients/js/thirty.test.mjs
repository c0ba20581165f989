// Thirty requests of @google/genai at once, of a pool that takes ten a minute: by itself
// it fails at the first 429, and through wait all are answered.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { GoogleGenAI } from '@google/genai';

const model = process.env.CLIENTS_MODEL_ROOMY;
const ways = JSON.parse(process.env.CLIENTS_WAYS);

describe('thirty through wait', { concurrency: true }, () => {
  for (const { name, url, stream, possible } of ways) {
    test(name, async (t) => {
      const client = new GoogleGenAI({ apiKey: 'placeholder', httpOptions: { baseUrl: url } });
      const began = performance.now();
      const answers = await Promise.all(
        Array.from({ length: 30 }, async (_, i) => {
          const request = { model, contents: `Prompt ${i}` };
          if (!stream) return (await client.models.generateContent(request)).text;
          let text = '';
          for await (const chunk of await client.models.generateContentStream(request)) text += chunk.text ?? '';
          return text;
        }),
      );
      const took = performance.now() - began;
      t.diagnostic(`${Math.round(took)} ms, where ${possible} were possible`);
      assert.deepEqual(answers, Array.from({ length: 30 }, (_, i) => `Prumpt ${i}`));
      // A twentieth, and what a machine that has other work is late.
      assert.ok(took < possible * 1.05 + 10_000, `${took} ms`);
    });
  }
});
