/** The card's folder has no packages of its own: its imports are looked up from here. */
import path from 'node:path';
import type { Plugin } from 'vite';

const HERE = path.join(import.meta.dirname, 'packages.ts');

export function packagesFromHere(): Plugin {
  return {
    name: 'packages-from-here',
    enforce: 'pre',
    async resolveId(source, importer) {
      const isPackage = /^(react|@hubspot\/ui-extensions)(\/|$)/.test(source);
      if (!isPackage || importer?.includes('node_modules')) return null;
      return this.resolve(source, HERE, { skipSelf: true });
    },
  };
}
