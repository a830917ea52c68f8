/** The card and the project are tested where they lie, with the packages that lie here. */
import path from 'node:path';
import { defineConfig } from 'vitest/config';
import { packagesFromHere } from './packages';

const here = import.meta.dirname;

export default defineConfig({
  plugins: [packagesFromHere()],
  resolve: { alias: { '@card': path.join(here, '../../../integrations/hubspot/app/src/app/cards') } },
  server: { fs: { strict: false } },
  test: {
    include: ['*.test.ts', '*.test.tsx'],
    // The vendor's packages go through Vite, so that a test can stand in for their network.
    server: { deps: { inline: [/@hubspot\/(project-parsing-lib|ui-extensions)/] } },
    testTimeout: 60_000,
  },
});
