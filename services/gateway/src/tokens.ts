// What the gateway's classes are given, beside what the host has.
export const CALLERS = Symbol('Callers');
export const RATE_LIMITS = Symbol('RateLimits');
export const COMMAND_SENDER = Symbol('CommandSender');
export const CURRENT_TIPS = Symbol('CurrentTips');
export const EXPLANATIONS = Symbol('Explanations');
export const READ_MODELS = Symbol('ReadModels');
