import type { ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';

const same = (bytes: Buffer): Buffer => bytes;

/** A generated service definition whose messages stay bytes: the hot paths read and write them by hand. */
export function rawService(definition: ServiceDefinition<UntypedServiceImplementation>): ServiceDefinition {
  return Object.fromEntries(
    Object.entries(definition).map(([name, method]) => [
      name,
      {
        ...method,
        requestSerialize: same,
        requestDeserialize: same,
        responseSerialize: same,
        responseDeserialize: same,
      },
    ]),
  );
}

/** The same for some of a service's methods. */
export function rawMethods(
  definition: ServiceDefinition<UntypedServiceImplementation>,
  names: readonly string[],
): ServiceDefinition {
  const raw = rawService(definition);
  return Object.fromEntries(
    Object.entries({ ...definition }).map(([name, method]) => [
      name,
      names.includes(name) ? (raw[name] ?? method) : method,
    ]),
  );
}
