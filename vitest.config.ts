import { defineConfig } from 'vitest/config';

// Tests import the sources of the other packages, not their build, through the `@oo/source` condition.
export default defineConfig({
  resolve: { conditions: ['@oo/source', 'node', 'module', 'default'] },
  ssr: { resolve: { conditions: ['@oo/source', 'node', 'module', 'default'] } },
  test: {
    include: ['**/src/**/*.spec.ts', '**/src/**/*.spec.tsx'],
    passWithNoTests: false,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Vitest takes what lies below a folder named `es` for ES modules, also when the checkout is named so.
    server: { deps: { external: [/\/node_modules\//] } },
  },
});
