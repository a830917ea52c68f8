/**
 * The package as `sf project deploy start` would send it: Salesforce's own converter, with the
 * replacements of sfdx-project.json. Driven by package.test.js.
 *
 * Usage: convert.cjs PACKAGE_FOLDER [FOLDER …] -> {"components": {type: [name]}, "files": {path: text}}
 */
const path = require('node:path');
const JSZip = require('jszip');

const [, , root, ...folders] = process.argv;
process.chdir(root);
const { ComponentSet, MetadataConverter } = require('@salesforce/source-deploy-retrieve');

async function main() {
  const source = ComponentSet.fromSource(folders.map((folder) => path.join(root, folder)));
  source.projectDirectory = root;
  const { zipBuffer } = await new MetadataConverter().convert(source, 'metadata', { type: 'zip' });
  const zip = await JSZip.loadAsync(zipBuffer);
  const files = {};
  for (const each of Object.values(zip.files)) if (!each.dir) files[each.name] = await each.async('string');
  const components = {};
  for (const { type, fullName } of source.getSourceComponents()) (components[type.name] ??= []).push(fullName);
  for (const names of Object.values(components)) names.sort();
  process.stdout.write(JSON.stringify({ components, files }));
}

main().catch((error) => {
  process.stderr.write(`${error.name}: ${error.message}\n`);
  process.exitCode = 1;
});
