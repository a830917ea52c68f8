/** The card under Salesforce's own rules for components. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const CARD = path.join(__dirname, '../../../integrations/salesforce/package/force-app/main/default/lwc/leadScoreCard');

/** Rule and line of what is wrong with a text that stands in a file of the card. */
function faults(name, text) {
  const args = [path.join(__dirname, 'node_modules/eslint/bin/eslint.js'), '--format', 'json', '--stdin'];
  args.push('--stdin-filename', path.join(__dirname, 'lwc/leadScoreCard', name));
  let out;
  try {
    out = execFileSync(process.execPath, args, { cwd: __dirname, encoding: 'utf-8', input: text });
  } catch (error) {
    out = String(error.stdout);
  }
  return JSON.parse(out)[0].messages.map((each) => `${each.ruleId} ${each.line}`);
}

const FILES = fs.readdirSync(CARD).filter((name) => name.endsWith('.js'));

test.each([
  ...FILES,
])('%s keeps the rules', (name) => {
  expect(faults(name, fs.readFileSync(path.join(CARD, name), 'utf-8'))).toEqual([]);
});

test('a seeded fault is found', () => {
  const text = fs.readFileSync(path.join(CARD, 'leadScoreCard.js'), 'utf-8');
  const broken = text.replace("recordId: '$recordId'", "recordId: '$recordid', recordId: 1");

  expect(faults('leadScoreCard.js', broken)).not.toEqual([]);
  expect(faults('leadScoreCard.js', text.replace('@api recordId;', '@api recordId = true;'))).not.toEqual([]);
});
