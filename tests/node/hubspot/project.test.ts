/**
 * The project as HubSpot's own parsing library reads it, and the card as a bundler does.
 *
 * The library asks HubSpot for the schemas of a project's files. Here it gets those of
 * project.schema.json, which is our reading of the documentation (reference hubspot.md section 5):
 * all other checks, and the way errors are found and told, are the vendor's.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { LATEST_SUPPORTED_PLATFORM_VERSION, getProjectMetadata, isLegacyProject, parseProjectConfig } from '@hubspot/project-parsing-lib/projects';
import { translate } from '@hubspot/project-parsing-lib/translate';
import { build } from 'vite';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { packagesFromHere } from './packages';
import schemas from './project.schema.json';

vi.mock('@hubspot/local-dev-lib/http', () => ({ http: { get: async () => ({ data: schemas }) } }));

const APP = path.join(import.meta.dirname, '../../../integrations/hubspot/app');
const made: string[] = [];
afterAll(() => made.forEach((folder) => fs.rmSync(folder, { recursive: true })));

/** A copy of the project, changed. */
function project(change: (folder: string) => void = () => {}): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'leadscore-app-'));
  made.push(folder);
  fs.cpSync(APP, folder, { recursive: true });
  change(folder);
  return folder;
}

function oauth(folder: string): void {
  fs.copyFileSync(path.join(folder, 'oauth/app-hsmeta.json'), path.join(folder, 'src/app/app-hsmeta.json'));
}

function edit(folder: string, file: string, change: (meta: any) => void): void {
  const place = path.join(folder, 'src/app', file);
  const meta = JSON.parse(fs.readFileSync(place, 'utf-8'));
  change(meta);
  fs.writeFileSync(place, JSON.stringify(meta));
}

async function parsed(folder: string) {
  const { srcDir, platformVersion } = parseProjectConfig(folder);
  return translate({ projectSourceDir: path.join(folder, srcDir), platformVersion, accountId: 4000001 });
}

/** What the library says is wrong with a project. */
async function fault(folder: string): Promise<string> {
  try {
    await parsed(folder);
  } catch (error) {
    return String(error);
  }
  return 'nothing';
}

describe('the project', () => {
  test('the static variant is parsed without a fault', async () => {
    const { intermediateRepresentation, skippedHsMetaFiles } = await parsed(project());
    const nodes = Object.values(intermediateRepresentation.intermediateNodesIndexedByUid);

    expect(nodes.map((node) => node.componentType).sort()).toEqual(['APPLICATION', 'CARD', 'WEBHOOKS']);
    expect(skippedHsMetaFiles).toEqual([]);
  });

  test('the OAuth variant is parsed without a fault', async () => {
    const { intermediateRepresentation } = await parsed(project(oauth));
    const app = intermediateRepresentation.intermediateNodesIndexedByUid.leadscore_app;

    expect((app?.config as any).auth.type).toBe('oauth');
  });

  test('its platform version is the newest that the library supports', () => {
    const { platformVersion } = parseProjectConfig(APP);

    expect(platformVersion).toBe(LATEST_SUPPORTED_PLATFORM_VERSION);
    expect(isLegacyProject(platformVersion)).toBe(false);
  });

  test('its parts lie where the library looks for them', async () => {
    const { components } = await getProjectMetadata(path.join(APP, 'src'));

    expect([components.app?.count, components.webhooks?.count, components.card?.count]).toEqual([1, 1, 1]);
  });

  test.each<[string, (folder: string) => void, RegExp]>([
    ['a wrong key', (f) => edit(f, 'app-hsmeta.json', (m) => { m.config.auth.scopes = []; }), /scopes/],
    ['an unknown type', (f) => edit(f, 'webhooks/webhooks-hsmeta.json', (m) => { m.type = 'webhook'; }), /webhook/],
    ['a missing uid', (f) => edit(f, 'cards/score-card-hsmeta.json', (m) => { delete m.uid; }), /uid/i],
    ['two webhooks files', (f) => fs.copyFileSync(path.join(f, 'src/app/webhooks/webhooks-hsmeta.json'), path.join(f, 'src/app/webhooks/more-hsmeta.json')), /more-hsmeta|webhooks/],
    ['a file that is no JSON', (f) => fs.writeFileSync(path.join(f, 'src/app/app-hsmeta.json'), '{'), /app-hsmeta/],
    ['an OAuth app without a redirect', (f) => { oauth(f); edit(f, 'app-hsmeta.json', (m) => { delete m.config.auth.redirectUrls; }); }, /redirectUrls/],
    ['a change without its property', (f) => edit(f, 'webhooks/webhooks-hsmeta.json', (m) => { m.config.subscriptions.legacyCrmObjects.push({ subscriptionType: 'contact.propertyChange', active: true }); }), /propertyName/],
    ['a misplaced card', (f) => fs.renameSync(path.join(f, 'src/app/cards/score-card-hsmeta.json'), path.join(f, 'src/app/score-card-hsmeta.json')), /card/],
  ])('the library finds %s', async (_, change, told) => {
    expect(await fault(project(change))).toMatch(told);
  });
});

describe('the card', () => {
  test('it has no type errors', () => {
    const tsc = path.join(import.meta.dirname, 'node_modules/typescript/bin/tsc');
    let found = '';
    try {
      execFileSync(process.execPath, [tsc, '-p', import.meta.dirname], { encoding: 'utf-8' });
    } catch (error) {
      found = String((error as { stdout?: string }).stdout);
    }

    expect(found).toBe('');
  });

  test('it is bundled into one script from the entry point that HubSpot is told', async () => {
    const meta = JSON.parse(fs.readFileSync(path.join(APP, 'src/app/cards/score-card-hsmeta.json'), 'utf-8'));
    const output = await build({
      configFile: false,
      logLevel: 'silent',
      plugins: [packagesFromHere()],
      define: { 'process.env.NODE_ENV': '"production"' },
      build: {
        write: false,
        lib: { entry: path.join(APP, 'src', meta.config.entrypoint), formats: ['iife'], name: 'card' },
      },
    });
    const chunks = (Array.isArray(output) ? output : [output]).flatMap((each) => ('output' in each ? each.output : []));

    expect(chunks).toHaveLength(1);
    const code = chunks[0]?.type === 'chunk' ? chunks[0].code : '';
    expect(code).toContain('lead_score_respond_by');
    expect(code).toContain('extend_V2');
    expect(code.length).toBeLessThan(600_000);
  });

  test('the packages it asks HubSpot for are those it is tested with', () => {
    const read = (file: string) => JSON.parse(fs.readFileSync(file, 'utf-8'));
    const asked = read(path.join(APP, 'src/app/cards/package.json')).dependencies;
    const tested = read(path.join(import.meta.dirname, 'package.json')).devDependencies;

    for (const [name, version] of Object.entries(asked)) expect(tested[name]).toBe(version);
  });
});
