/** The package as Salesforce's own converter makes a deployment of it. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const PACKAGE = path.join(__dirname, '../../../integrations/salesforce/package');
const FOLDERS = ['force-app', 'outbound', 'events', 'callout'];
const made = [];
afterAll(() => made.forEach((folder) => fs.rmSync(folder, { recursive: true })));

function convert(folder, folders = FOLDERS, env = {}) {
  const found = execFileSync(process.execPath, [path.join(__dirname, 'convert.cjs'), folder, ...folders], {
    encoding: 'utf-8',
    env: { ...process.env, SALESFORCE_PATH_TOKEN: 'invented-token', SALESFORCE_INTEGRATION_USER: 'scores@example.com', ...env },
    maxBuffer: 64 * 1024 * 1024,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return JSON.parse(found);
}

/** A copy of the package, changed. */
function changed(change) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'leadscore-package-'));
  made.push(folder);
  fs.cpSync(PACKAGE, folder, { recursive: true });
  change((name) => path.join(folder, name));
  return folder;
}

function fault(folder) {
  try {
    convert(folder);
  } catch (error) {
    return String(error.stderr);
  }
  return 'nothing';
}

describe('the deployment', () => {
  const found = convert(PACKAGE);

  test('it holds every component', () => {
    const count = Object.fromEntries(Object.entries(found.components).map(([type, names]) => [type, names.length]));

    expect(count).toEqual({
      ApexClass: 2,
      ApexTrigger: 1,
      CustomField: 13 * 2,
      // The event and the setting, with their fields.
      CustomObject: 2,
      CustomPermission: 1,
      ExternalCredential: 1,
      Flow: 9,
      LightningComponentBundle: 1,
      ListView: 4,
      NamedCredential: 1,
      PermissionSet: 4,
      PlatformEventSubscriberConfig: 1,
      Workflow: 3,
    });
  });

  test('its manifest names the version of the project and each component', () => {
    const manifest = found.files['package.xml'];

    expect(manifest).toContain('<version>63.0</version>');
    for (const names of Object.values(found.components)) {
      for (const name of names) expect(manifest).toContain(`<members>${name}</members>`);
    }
  });

  test('no file of the package is left out', () => {
    const isPart = (name) => !/objects\/|project\.json|forceignore/.test(name);
    const there = fs
      .readdirSync(PACKAGE, { recursive: true, withFileTypes: true })
      .filter((each) => each.isFile() && isPart(path.join(each.parentPath ?? each.path, each.name)))
      .map((each) => each.name.replace(/(?<!\.(cls|trigger|js))-meta\.xml$/, ''));
    const sent = Object.keys(found.files).map((name) => path.basename(name));

    expect(there.filter((name) => !sent.includes(name))).toEqual([]);
  });

  test('the card is a part of it and its tests are none', () => {
    const card = Object.keys(found.files).filter((name) => name.includes('lwc/'));

    expect(card).toHaveLength(6);
    expect(Object.keys(found.files).filter((name) => /test\.js|__tests__|node_modules/.test(name))).toEqual([]);
  });

  test('address and user come from the environment', () => {
    const everything = Object.values(found.files).join('\n');

    expect(found.files['workflows/Lead.workflow']).toContain(
      '<endpointUrl>https://scores.example.com/webhooks/salesforce/invented-token</endpointUrl>',
    );
    expect(found.files['workflows/Task.workflow']).toContain('<integrationUser>scores@example.com</integrationUser>');
    expect(everything).toContain('https://scores.example.com/webhooks/salesforce-event/invented-token');
    expect(everything).not.toMatch(/LEADSCORE_(PATH_TOKEN|INTEGRATION_USER)/);
  });

  test('the fields stand in their object', () => {
    expect(found.files['objects/Lead.object'].match(/<fields>/g)).toHaveLength(13);
    expect(found.files['objects/Lead.object'].match(/<listViews>/g)).toHaveLength(2);
    expect(found.files['objects/Leadscore_Change__e.object'].match(/<fields>/g)).toHaveLength(3);
  });

  test('each folder can be deployed alone', () => {
    for (const folder of FOLDERS) {
      expect(Object.keys(convert(PACKAGE, [folder]).files).length).toBeGreaterThan(2);
    }
  });
});

describe('the converter finds', () => {
  test.each([
    ['a file of an unknown kind', (at) => fs.writeFileSync(at('callout/main/default/x.flowz-meta.xml'), '<x/>'), /flowz|infer/i],
    ['XML that does not end', (at) => fs.appendFileSync(at('outbound/main/default/workflows/Lead.workflow-meta.xml'), '<'), /XML|Lead|tag/i],
    ['a missing variable', (at) => fs.writeFileSync(at('sfdx-project.json'), fs.readFileSync(at('sfdx-project.json'), 'utf-8').replaceAll('SALESFORCE_PATH_TOKEN', 'NOT_THERE')), /NOT_THERE/],
  ])('%s', (_, change, told) => {
    expect(fault(changed(change))).toMatch(told);
  });
});
