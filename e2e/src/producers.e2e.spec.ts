import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execute, RunningOo } from '@oo/cli/testing';
import { ROOT } from '@oo/embedded';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let oo: RunningOo;

beforeAll(async () => {
  oo = await RunningOo.start({ OO_DEMO_WEEKS: '0' });
}, 300_000);

afterAll(() => oo?.dispose());

describe.each([
  ['python', process.env.OO_PYTHON ?? 'python3', 'examples/producer.py'],
  ['typescript', process.execPath, 'examples/producer.ts'],
])('the example producer in %s', (language, command, file) => {
  it('posts a signal and its tip arrives', async () => {
    const { token } = await oo.json<{ token: string }>('person', `producer-${language}`);
    const env = { ...(process.env as Record<string, string>), OO_URL: oo.url, OO_TOKEN: token };
    const { code, stdout, stderr } = await execute(command, [file], env);
    expect({ code, stderr: stderr.replace(/.*ExperimentalWarning.*\n?.*\n?/, '') }).toEqual({
      code: 0,
      stderr: '',
    });
    expect(stdout).toMatch(/\S{3,}/);

    // The tip is the one of its own signal, which is of the page's opening.
    const { items } = await oo.json<{ items: { type: string }[] }>('timeline', `producer-${language}`);
    const of = (type: string) => items.filter((item) => item.type === type);
    expect(of('TipProposed')).toHaveLength(1);
    expect(of('ContextObserved')).toHaveLength(1);
  }, 60_000);

  it('says what is wrong when it is refused', async () => {
    const env = { ...(process.env as Record<string, string>), OO_URL: oo.url, OO_TOKEN: 'oo_wrong' };
    const { code, stderr } = await execute(command, [file], env);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/401|signed in/i);
  }, 60_000);

  it('has twenty lines', () => {
    const lines = readFileSync(join(ROOT, file), 'utf8')
      .split('\n')
      .filter((line) => line.trim() !== '');
    expect(lines.length).toBeLessThanOrEqual(20);
  });
});
