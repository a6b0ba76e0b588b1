import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '@oo/embedded';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

interface Service {
  readonly image?: string;
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly environment?: Record<string, string>;
  readonly depends_on?: Record<string, { condition: string }>;
  readonly healthcheck?: unknown;
  readonly volumes?: readonly string[];
}

interface Compose {
  readonly services: Record<string, Service>;
  readonly volumes: Record<string, unknown>;
}

const textOf = (name: string) => readFileSync(join(ROOT, name), 'utf8');
const parsed = (name: string) => parse(textOf(name), { merge: true }) as Compose;

/** What `docker compose -f compose.yaml -f compose.local.yaml` runs, as far as it is looked at here. */
function together(base: Compose, over: Compose): Compose {
  const services = { ...base.services };
  for (const [name, service] of Object.entries(over.services))
    services[name] = { ...services[name], ...service };
  return { services, volumes: { ...base.volumes, ...over.volumes } };
}

const settings = textOf('infra/docker/example.env');

// No Docker engine is at hand where this is tested, so the file is held against the checkout and against itself.
describe.each([
  ['compose.yaml', parsed('compose.yaml'), textOf('compose.yaml')],
  [
    'compose.local.yaml beside it',
    together(parsed('compose.yaml'), parsed('compose.local.yaml')),
    textOf('compose.local.yaml'),
  ],
])('%s', (_file, compose, text) => {
  const services = Object.entries(compose.services);

  it.each(services)('%s is an image or is built from a Dockerfile that is there', (_name, service) => {
    if (service.build === undefined) expect(service.image).toMatch(/^[a-z0-9./-]+:[\w.-]+$/);
    else expect(existsSync(join(ROOT, service.build.context, service.build.dockerfile))).toBe(true);
  });

  it.each(services)(
    '%s has a health check, and waits only for services that are there and have one',
    (named, service) => {
      expect(service.healthcheck).toBeDefined();
      for (const [name, { condition }] of Object.entries(service.depends_on ?? {})) {
        // The provider stands in the gateway's network, which is there before the gateway is well.
        expect(condition).toBe(named === 'identity' ? 'service_started' : 'service_healthy');
        expect(compose.services[name]?.healthcheck).toBeDefined();
      }
    },
  );

  it.each(services)('%s mounts only named volumes and files that are there', (_name, { volumes }) => {
    for (const volume of volumes ?? []) {
      const [source = ''] = volume.split(':');
      if (source.startsWith('.')) expect(existsSync(join(ROOT, source))).toBe(true);
      else expect(Object.keys(compose.volumes)).toContain(source);
    }
  });

  it('asks for no variable that the example does not name', () => {
    const asked = [...text.matchAll(/\$\{(\w+)/g)].map(([, name]) => name);
    const named = [...settings.matchAll(/^(\w+)=/gm)].map(([, name]) => name);
    const optional = ['OO_LOG_LEVEL', 'OO_POLICY', 'OTEL_EXPORTER_OTLP_ENDPOINT'];
    expect(asked.filter((name) => !named.includes(name ?? '') && !optional.includes(name ?? ''))).toEqual([]);
  });
});
