import { expect, it } from 'vitest';
import { PrometheusFigures } from './prometheus-figures.js';

it('reads figures with and without labels, and adds those of a name', () => {
  const figures = new PrometheusFigures(
    [
      '# HELP oo_x Something',
      '# TYPE oo_x gauge',
      'oo_x{consumer="a",text="with \\"quotes\\" and } brace"} 3',
      'oo_x{consumer="b"} 4.5 1700000000000',
      'oo_x_total 1e3',
      'not a figure',
      '',
    ].join('\n'),
  );
  expect(figures.value('oo_x', { consumer: 'b' })).toBe(4.5);
  expect(figures.value('oo_x', { text: 'with \\"quotes\\" and } brace' })).toBe(3);
  expect(figures.value('oo_x', { consumer: 'c' })).toBeUndefined();
  expect(figures.value('oo_x_total', {})).toBe(1000);
  expect(figures.sum('oo_x')).toBe(7.5);
  expect(figures.sum('oo_y')).toBe(0);
});
