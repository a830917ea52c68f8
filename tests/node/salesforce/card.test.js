/** The card as Salesforce's own test renderer shows it. */
import { createElement } from 'lwc';
import { getRecord } from 'lightning/uiRecordApi';
import LeadScoreCard from 'c/leadScoreCard';

const HOT = {
  Lead_Score__c: 82,
  Lead_Score_Tier__c: 'hot',
  Lead_Score_Reasons__c: '+25 Asked for an appointment\n+12 In pain\n-5 No reply for 14 days',
  Lead_Score_Inquiry__c: 25,
  Lead_Score_Urgency__c: 12,
  Lead_Score_Insurance__c: 15,
  Lead_Score_Procedure__c: 20,
  Lead_Score_Engagement__c: 10,
  Lead_Score_Likelihood__c: null,
  Lead_Score_Respond_By__c: '2026-03-02T17:05:00.000Z',
  Lead_Score_Trend__c: 'up',
  Lead_Score_Updated_At__c: '2026-03-02T16:59:00.000Z',
  Lead_Score_Model__c: 'general-61e12fa98970',
};
const NONE = Object.fromEntries(Object.keys(HOT).map((name) => [name, null]));

beforeEach(() => jest.useFakeTimers({ now: new Date('2026-03-02T17:00:00Z') }));
afterEach(() => {
  document.body.replaceChildren();
  jest.useRealTimers();
});

function card(objectApiName = 'Lead') {
  const made = createElement('c-lead-score-card', { is: LeadScoreCard });
  made.recordId = '00Q8d0000001aBCEAY';
  made.objectApiName = objectApiName;
  document.body.append(made);
  return made;
}

async function shown(values, objectApiName) {
  const made = card(objectApiName);
  getRecord.emit({ fields: Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { value }])) });
  await Promise.resolve();
  return made;
}

const parts = (made, id) => [...made.shadowRoot.querySelectorAll(`[data-id="${id}"]`)];
const text = (made, id) => parts(made, id).map((each) => each.textContent.replace(/\s+/g, ' ').trim()).join('|');

test('a hot lead shows score, tier and trend', async () => {
  const made = await shown(HOT);

  expect(text(made, 'score')).toBe('82 of 100');
  expect(text(made, 'tier')).toBe('Hot: call now');
  expect(text(made, 'trend')).toBe('▲ Rising since the last score');
  expect(parts(made, 'alert')).toEqual([]);
});

test('the reasons stand one a line with their points', async () => {
  const made = await shown(HOT);

  expect(text(made, 'reason')).toBe('+25 Asked for an appointment|+12 In pain|\u22125 No reply for 14 days');
});

test('each factor has a bar that says its points to a screen reader', async () => {
  const made = await shown(HOT);
  const bars = [...made.shadowRoot.querySelectorAll('[role="progressbar"]')];

  expect(bars.map((bar) => bar.getAttribute('aria-valuetext'))).toEqual([
    '25 of 25 points',
    '12 of 20 points',
    '15 of 15 points',
    '20 of 20 points',
    '10 of 20 points',
  ]);
  expect(bars[1].getAttribute('aria-label')).toBe('Urgency');
  expect([bars[1].getAttribute('aria-valuenow'), bars[1].getAttribute('aria-valuemax')]).toEqual(['12', '20']);
  expect(bars[1].firstChild.style.width).toBe('60%');
  expect(text(made, 'factor')).toContain('Urgency: 12 of 20 points');
});

test('a factor that the card knows no cap of has words and no bar', async () => {
  const made = await shown({ ...HOT, Lead_Score_Model__c: 'by hand' });

  expect(made.shadowRoot.querySelector('[role="progressbar"]')).toBeNull();
  expect(text(made, 'factor')).toContain('Urgency: 12 points');
});

test('the time left ticks, and turns into overdue', async () => {
  const made = await shown(HOT);
  const seen = [text(made, 'left')];
  for (const ms of [60_000, 240_000, 120_000]) {
    jest.advanceTimersByTime(ms);
    await Promise.resolve();
    seen.push(text(made, 'left'));
  }

  expect(seen).toEqual(['5 min left', '4 min left', 'due now', 'overdue by 2 min']);
  expect(parts(made, 'left')[0].className).toContain('overdue');
});

test('a card that is taken off the page ticks no more', async () => {
  const made = await shown(HOT);
  expect(jest.getTimerCount()).toBe(1);

  made.remove();

  expect(jest.getTimerCount()).toBe(0);
});

test('a possible emergency is an alert, and has no score', async () => {
  const made = await shown({ ...NONE, Lead_Score_Tier__c: 'clinical', Lead_Score_Respond_By__c: '2026-03-02T17:00:00.000Z' });

  expect(parts(made, 'alert')[0].getAttribute('role')).toBe('alert');
  expect(text(made, 'alert')).toContain('Possible emergency: call now');
  expect(text(made, 'alert')).toContain('a person must judge it');
  expect(parts(made, 'score')).toEqual([]);
  expect(text(made, 'note')).toContain('not ranked');
  expect(text(made, 'left')).toBe('due now');
});

test.each([
  ['not_a_lead', 'no new inquiry'],
  ['unscored', 'Too little is known'],
])('the tier %s says why there is no score', async (tier, words) => {
  const made = await shown({ ...NONE, Lead_Score_Tier__c: tier });

  expect(text(made, 'note')).toContain(words);
  expect(parts(made, 'respond-by')).toEqual([]);
});

test('a likelihood is told as a number of inquiries', async () => {
  const made = await shown({ ...HOT, Lead_Score_Likelihood__c: 34 });

  expect(text(made, 'likelihood')).toBe('Of 100 inquiries like this, about 34 book.');
});

test('when and by which model it was scored stands below', async () => {
  const made = await shown(HOT);

  expect(text(made, 'origin')).toMatch(/^Scored .+ · model general-61e12fa98970$/);
});

test('before the first answer it says that it loads', () => {
  expect(card().shadowRoot.querySelector('lightning-spinner').alternativeText).toBe('Loading the lead score');
});

test('a record without a score says so', async () => {
  expect(text(await shown(NONE), 'empty')).toContain('No lead score yet');
});

test('a viewer without access is told what to ask for', async () => {
  expect(text(await shown({}), 'hidden')).toContain('permission set Leadscore Viewer');
});

test('a viewer who may see a part sees it', async () => {
  const made = await shown({ Lead_Score_Tier__c: 'warm' });

  expect(text(made, 'tier')).toBe('Warm: call soon');
  expect(parts(made, 'hidden')).toEqual([]);
});

test('an error is told without its text', async () => {
  const made = card();
  getRecord.error({ message: 'row of Maria is locked' });
  await Promise.resolve();

  expect(text(made, 'error')).toContain('could not be read');
  expect(made.shadowRoot.textContent).not.toContain('Maria');
});

test('it comes back when an error has passed', async () => {
  const made = card();
  getRecord.error({ message: 'locked' });
  getRecord.emit({ fields: { Lead_Score__c: { value: 51 } } });
  await Promise.resolve();

  expect(text(made, 'score')).toBe('51 of 100');
  expect(parts(made, 'error')).toEqual([]);
});

test.each([
  ['Lead', 'Lead.Lead_Score__c'],
  ['Contact', 'Contact.Lead_Score__c'],
  ['Account', 'Account.Lead_Score__pc'],
])('on a page of %s it asks for the fields of that object only', async (object, first) => {
  card(object);
  await Promise.resolve();
  const { recordId, optionalFields } = getRecord.getLastConfig();

  expect(recordId).toBe('00Q8d0000001aBCEAY');
  expect(optionalFields[0]).toBe(first);
  expect(optionalFields).toHaveLength(13);
  expect(optionalFields.every((name) => name.startsWith(`${object}.Lead_Score`))).toBe(true);
});
