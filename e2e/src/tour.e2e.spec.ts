import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execute, RunningOo } from '@oo/cli/testing';
import { ROOT } from '@oo/embedded';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** The shell commands of the README's section "The tour". */
function tour(): string[] {
  const section =
    /\n## The tour\n([\s\S]*?)\n## /.exec(readFileSync(join(ROOT, 'README.md'), 'utf8'))?.[1] ?? '';
  return [...section.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block]) =>
    (block ?? '')
      .replaceAll('\\\n', ' ')
      .split('\n')
      .map((line) => line.replace(/\s+#.*$/, '').trim())
      .filter((line) => line !== ''),
  );
}

let oo: RunningOo;

beforeAll(async () => {
  oo = await RunningOo.start();
}, 300_000);

afterAll(() => oo?.dispose());

describe('the tour of the README', () => {
  it('has commands', () => expect(tour().length).toBeGreaterThan(4));

  it.each(tour())(
    '%s',
    async (command) => {
      await oo.quiet();
      const env = { ...(process.env as Record<string, string>), OO_DATA_DIR: oo.dataDir };
      const { code, stdout, stderr } = await execute('bash', ['-c', command], env);
      // npm has things to say of a machine's own configuration.
      const said = stderr.replace(/^npm (warn|notice).*\n?/gm, '');
      expect({ code, said }).toEqual({ code: 0, said: '' });
      expect(stdout.length).toBeGreaterThan(10);
    },
    120_000,
  );
});
