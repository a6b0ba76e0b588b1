// The message types, under one roof. Everything here is generated from proto/.
export * from '../generated/typescript/oo/v1/candidates.js';
export * from '../generated/typescript/oo/v1/commands.js';
export * from '../generated/typescript/oo/v1/decisions.js';
export * from '../generated/typescript/oo/v1/metadata.js';
export * from '../generated/typescript/oo/v1/operations.js';
export * from '../generated/typescript/oo/v1/policies.js';
export * from '../generated/typescript/oo/v1/signals.js';
export * from '../generated/typescript/oo/v1/tips.js';
export * from '../generated/typescript/oo/v1/users.js';
