/** The Apex of the package as a parser of the language reads it: its syntax, and no more. */
import { ApexErrorListener, ApexParserFactory } from '@apexdevtools/apex-parser';
import fs from 'node:fs';
import path from 'node:path';

const FOLDER = path.join(__dirname, '../../../integrations/salesforce/package/callout/main/default');
const read = (name) => fs.readFileSync(path.join(FOLDER, name), 'utf-8');

class Faults extends ApexErrorListener {
  found = [];

  apexSyntaxError(line, column, message) {
    this.found.push(`${line}:${column} ${message}`);
  }
}

function faults(text, isTrigger) {
  const listener = new Faults();
  const parser = ApexParserFactory.createParser(text);
  parser.removeErrorListeners();
  parser.addErrorListener(listener);
  if (isTrigger) parser.triggerUnit();
  else parser.compilationUnit();
  return listener.found;
}

const FILES = ['classes', 'triggers'].flatMap((folder) =>
  fs.readdirSync(path.join(FOLDER, folder)).filter((name) => !name.endsWith('.xml')).map((name) => `${folder}/${name}`),
);

test('there are two classes and a trigger', () => {
  expect(FILES).toEqual(['classes/LeadscoreNotify.cls', 'classes/LeadscoreNotifyTest.cls', 'triggers/LeadscoreChange.trigger']);
});

test.each([
  ...FILES,
])('%s has no syntax error', (name) => {
  expect(faults(read(name), name.endsWith('.trigger'))).toEqual([]);
});

test.each([
  ['a missing semicolon', (text) => text.replace("request.setMethod('POST');", "request.setMethod('POST')")],
  ['a brace too few', (text) => text.replace(/\}\s*$/, '')],
  ['a word out of place', (text) => text.replace('private static Boolean send', 'private static Boolean Boolean send')],
  ['a text that does not end', (text) => text.replace("'callout:Leadscore'", "'callout:Leadscore")],
])('the parser finds %s', (_, change) => {
  const text = read('classes/LeadscoreNotify.cls');
  expect(change(text)).not.toBe(text);

  expect(faults(change(text), false)).not.toEqual([]);
});

test('a trigger that is no trigger is found', () => {
  const text = read('triggers/LeadscoreChange.trigger').replace('(after insert)', '(after)');

  expect(faults(text, true)).not.toEqual([]);
});

test('each method that the tests of the class call is there', () => {
  const code = read('classes/LeadscoreNotify.cls');
  const used = [...read('classes/LeadscoreNotifyTest.cls').matchAll(/(?:LeadscoreNotify|job)\.([a-z]\w*)/g)];
  const names = [...new Set(used.map((each) => each[1]))].filter((name) => name !== 'class');

  expect(names.length).toBeGreaterThan(6);
  for (const name of names) expect(code).toMatch(new RegExp(`\\b${name}\\b\\s*(\\(|=)`));
});
