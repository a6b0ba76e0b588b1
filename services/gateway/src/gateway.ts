import 'reflect-metadata';
import rateLimit from '@fastify/rate-limit';
import fastifyStatic from '@fastify/static';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { openSessions, openVault } from '@oo/auth';
import { readModels } from '@oo/projections';
import { HostModule, hostConfig, NestLog, openParts, readConfig } from '@oo/service-host';
import type { FastifyInstance, FastifyServerOptions } from 'fastify';
import { Callers } from './caller/caller.js';
import { rateLimits } from './caller/rate-limits.js';
import { CommandSender } from './commands/command-sender.js';
import { gatewayConfig } from './config.js';
import { GatewayModule } from './gateway.module.js';
import { authRoute } from './http/auth-route.js';
import { refuseEncodings } from './http/encodings.js';
import { pageFiles, pagePath } from './http/page-files.js';
import { MAX_BODY_BYTES, problemOf } from './http/problem-of.js';
import { ProblemFilter, refuseConnection, sendProblem } from './http/problem-response.js';
import { securityHeaders } from './http/security.js';
import { traceRequests } from './http/trace-requests.js';
import { methodsOf } from './openapi/document.js';
import { pageRoute } from './page/page-route.js';
import { CurrentTips } from './tips/current-tips.js';
import { Explanations } from './tips/explanations.js';
import { TipTexts } from './tips/tip-texts.js';
import { CALLERS, COMMAND_SENDER, CURRENT_TIPS, EXPLANATIONS, RATE_LIMITS, READ_MODELS } from './tokens.js';

export interface RunningGateway {
  /** Takes no more requests, ends the open streams, and closes everything. */
  close(): Promise<void>;
}

const READ_MODEL_CONNECTIONS = 8;

/** Starts the gateway in this process. @throws ConfigError, and whatever keeps it from listening */
export async function startGateway(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<RunningGateway> {
  const config = readConfig(gatewayConfig, environment);
  const host = await openParts('gateway', readConfig(hostConfig, environment));
  const { nats, eventStore, clock, log, health } = host;
  let listening = false;
  // The health is served from the beginning, so it has to say that the door is not open yet.
  health.add('listening', () => ({ ok: listening }));
  const sql = readModels(config.OO_READMODELS_URL, { max: READ_MODEL_CONNECTIONS, name: 'gateway' });
  health.add('readmodels', () => sql`select 1`.then(() => ({ ok: true })));
  const vault = await openVault(config.OO_VAULT_URL, config.OO_TENANT);
  health.add('vault', async () => ({ ok: await vault.answers() }));
  const sessions = await openSessions(vault, {
    publicUrl: config.OO_PUBLIC_URL,
    secret: config.OO_AUTH_SECRET,
    log: (level, message) => log[level]({ by: 'better-auth' }, message),
    oidc: {
      issuer: config.OO_OIDC_ISSUER,
      clientId: config.OO_OIDC_CLIENT_ID,
      clientSecret: config.OO_OIDC_CLIENT_SECRET,
    },
  });

  const callers = new Callers(vault, sessions);
  const commands = new CommandSender(nats, clock);
  const tips = new CurrentTips(nats, sql, new TipTexts(nats, log), clock, log);
  const explanations = new Explanations(sql, eventStore, log);

  const options: FastifyServerOptions = {
    bodyLimit: MAX_BODY_BYTES,
    trustProxy: config.OO_TRUSTED_PROXIES.length > 0 ? config.OO_TRUSTED_PROXIES : false,
    forceCloseConnections: true,
    // While it stops, it answers what it has begun; what is new is for another instance.
    return503OnClosing: false,
    clientErrorHandler: refuseConnection,
    rewriteUrl: ({ method = 'GET', url = '/', headers }) => pagePath(method, url, headers.accept),
    frameworkErrors: (error, request, reply) => sendProblem(reply, problemOf(error, request)),
  };
  const adapter = new FastifyAdapter(options);
  const fastify: FastifyInstance = adapter.getInstance();
  // What is not JSON is refused, not read as something else.
  fastify.removeContentTypeParser('text/plain');
  fastify.addHook('onRequest', refuseEncodings);
  // What is about a person is nobody's to keep; what may be kept says so itself.
  fastify.addHook('onSend', async (_request, reply) => {
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store');
  });
  traceRequests(fastify);
  await fastify.register(rateLimit, { global: false, cache: 10_000 });
  const limits = rateLimits(fastify, config.OO_RATE_LIMIT);

  const app = await NestFactory.create<NestFastifyApplication>(
    GatewayModule.with(
      [HostModule.with(host, config)],
      [
        { provide: CALLERS, useValue: callers },
        { provide: RATE_LIMITS, useValue: limits },
        { provide: COMMAND_SENDER, useValue: commands },
        { provide: CURRENT_TIPS, useValue: tips },
        { provide: EXPLANATIONS, useValue: explanations },
        { provide: READ_MODELS, useValue: sql },
      ],
    ),
    adapter,
    { bodyParser: false, abortOnError: false, logger: new NestLog(log) },
  );
  app.useSecurityHeaders(securityHeaders(config.OO_PUBLIC_URL));
  app.enableCsrfProtection();
  app.useGlobalFilters(new ProblemFilter(log, methodsOf));
  authRoute(fastify, sessions, limits, config.OO_PUBLIC_URL);
  pageRoute(fastify, { commands, tips, explanations, eventStore, log }, callers, limits);
  await fastify.register(fastifyStatic, pageFiles(config.OO_PAGE_DIR));
  await app.listen(config.OO_PORT, config.OO_HOST);
  listening = true;
  log.info({ port: config.OO_PORT }, 'ready');

  return {
    close: async () => {
      await app.close();
      await Promise.all([sql.end({ timeout: 5 }), vault.close()]);
      await host.close();
    },
  };
}
