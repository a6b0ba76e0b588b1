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

const compose = parse(readFileSync(join(ROOT, 'compose.yaml'), 'utf8'), { merge: true }) as {
  services: Record<string, Service>;
  volumes: Record<string, unknown>;
};
const services = Object.entries(compose.services);
const settings = readFileSync(join(ROOT, 'infra/docker/example.env'), 'utf8');

// No Docker engine is at hand where this is tested, so the file is held against the checkout and against itself.
describe('compose.yaml', () => {
  it.each(services)('%s is an image or is built from a Dockerfile that is there', (_name, service) => {
    if (service.build === undefined) expect(service.image).toMatch(/^[a-z0-9./-]+:[\w.-]+$/);
    else expect(existsSync(join(ROOT, service.build.context, service.build.dockerfile))).toBe(true);
  });

  it.each(services)(
    '%s has a health check, and waits only for services that are there and have one',
    (_name, service) => {
      expect(service.healthcheck).toBeDefined();
      for (const [name, { condition }] of Object.entries(service.depends_on ?? {})) {
        expect(condition).toBe('service_healthy');
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
    const asked = [...readFileSync(join(ROOT, 'compose.yaml'), 'utf8').matchAll(/\$\{(\w+)/g)].map(
      ([, name]) => name,
    );
    const named = [...settings.matchAll(/^(\w+)=/gm)].map(([, name]) => name);
    const optional = ['OO_LOG_LEVEL', 'OO_POLICY', 'OTEL_EXPORTER_OTLP_ENDPOINT'];
    expect(asked.filter((name) => !named.includes(name ?? '') && !optional.includes(name ?? ''))).toEqual([]);
  });
});
