import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import { VitePWA } from 'vite-plugin-pwa';
import { compressed } from './build/compressed.js';
import { ICON_SIZES, icons } from './build/icons.js';

export default defineConfig({
  build: { target: 'baseline-widely-available', sourcemap: true, assetsInlineLimit: 0 },
  plugins: [
    react(),
    icons(),
    compressed(),
    VitePWA({
      strategies: 'injectManifest',
      srcDir: 'src',
      filename: 'service-worker.ts',
      // Registered by the page's own line, since the page's policy allows no inline script.
      injectRegister: false,
      injectManifest: {
        globPatterns: ['**/*.{html,js,css,svg,png,webmanifest}', 'assets/*-latin-*.woff2'],
        sourcemap: false,
      },
      manifest: {
        id: '/',
        name: 'oO',
        short_name: 'oO',
        description: 'One tip, at the moment when it helps.',
        start_url: '/',
        display: 'standalone',
        background_color: '#000000',
        theme_color: '#000000',
        icons: [
          { src: '/icon.svg', sizes: 'any', type: 'image/svg+xml', purpose: 'any' },
          ...ICON_SIZES.map((size) => ({
            src: `/icon-${size}.png`,
            sizes: `${size}x${size}`,
            type: 'image/png',
            purpose: 'any' as const,
          })),
          { src: '/icon-512.png', sizes: '512x512', type: 'image/png', purpose: 'maskable' },
        ],
      },
    }),
  ],
});
