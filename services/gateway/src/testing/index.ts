export { TestBrowser } from './browser.js';
export { startTestGateway, type TestGateway } from './test-gateway.js';
export { decisionRecord, type Sent, TestWorld } from './test-world.js';
