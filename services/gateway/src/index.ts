export type { RunningGateway } from './gateway.js';
export { startGateway } from './gateway.js';
export type { Arrival, PageRouter } from './page/page-router.js';
export type { CurrentTip, TipView } from './tips/current-tip.js';
export type { Explanation } from './tips/explanation.js';
