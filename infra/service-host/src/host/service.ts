import 'reflect-metadata';
import { type DynamicModule, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import type { z } from 'zod';
import { ConfigError, readConfig } from '../config/config.js';
import { createLog } from '../logging/log.js';
import { NestLog } from '../logging/nest-log.js';
import { PlainJsonServer } from '../transport/plain-json-server.js';
import { HostModule } from './host-module.js';
import { hostConfig, openParts } from './parts.js';
import type { HostParts } from './tokens.js';

/** A process: its name, the variables it reads (at least those of {@link hostConfig}), and the modules it hosts. */
export interface ServiceDefinition<Shape extends typeof hostConfig.shape> {
  readonly name: string;
  readonly config: z.ZodObject<Shape>;
  readonly modules: readonly (Type | DynamicModule)[];
}

export interface RunningService {
  readonly parts: HostParts;
  /** Takes no more requests, finishes those it has, and closes everything. */
  close(): Promise<void>;
}

@Module({})
class RootModule {}

/** Starts the modules in this process. @throws ConfigError when the environment is not as the definition wants it */
export async function startService<Shape extends typeof hostConfig.shape>(
  definition: ServiceDefinition<Shape>,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<RunningService> {
  const config = readConfig(definition.config, environment);
  const parts = await openParts(definition.name, readConfig(hostConfig, environment));
  const root: DynamicModule = {
    module: RootModule,
    imports: [HostModule.with(parts, config), ...definition.modules],
  };
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(root, {
    strategy: new PlainJsonServer(parts.nats),
    logger: new NestLog(parts.log),
    abortOnError: false,
  });
  await app.listen();
  parts.log.info('ready');
  return {
    parts,
    close: async () => {
      await app.close();
      await parts.close();
    },
  };
}

const EXIT_CONFIG = 78;

/**
 * The whole of a `main.ts`: starts the service, stops it on SIGINT and SIGTERM, and ends the process, loudly, at
 * anything that nobody caught.
 */
export async function runService<Shape extends typeof hostConfig.shape>(
  definition: ServiceDefinition<Shape>,
): Promise<void> {
  const log = createLog(definition.name);
  const crash = (err: unknown) => {
    log.fatal({ err }, 'nobody caught this; the process ends');
    process.exit(1);
  };
  process.on('uncaughtException', crash);
  process.on('unhandledRejection', crash);
  try {
    const service = await startService(definition);
    const stop = (signal: NodeJS.Signals) => {
      service.parts.log.info({ signal }, 'stopping');
      service.close().then(() => process.exit(0), crash);
    };
    process.once('SIGINT', stop);
    process.once('SIGTERM', stop);
  } catch (error) {
    if (!(error instanceof ConfigError)) return crash(error);
    log.fatal({ problems: error.problems }, 'the configuration is not valid');
    process.exit(EXIT_CONFIG);
  }
}
