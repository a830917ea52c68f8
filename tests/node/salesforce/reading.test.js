/** What the card makes of the fields' values. */
import { CAPS, FIELDS } from '../../../integrations/salesforce/package/force-app/main/default/lwc/leadScoreCard/practice';
import {
  TIERS,
  clockTime,
  fieldsOn,
  instantOf,
  isEmpty,
  modelName,
  numberOf,
  read,
  reasonWords,
  reasonsOf,
  timeLeft,
} from '../../../integrations/salesforce/package/force-app/main/default/lwc/leadScoreCard/reading';

const MODEL = 'general-61e12fa98970';
const NOON = new Date('2026-03-02T17:00:00Z');
const later = (ms) => new Date(NOON.getTime() + ms);

describe('numbers', () => {
  test('a number as Salesforce gives it is read', () => {
    expect(['72', '72.0', '-5', '+3', '.5'].map(numberOf)).toEqual([72, 72, -5, 3, 0.5]);
  });

  test('what is no number is nothing, and not zero', () => {
    for (const text of ['', 'NaN', 'Infinity', '1e400', '0x10', '12 points', 'null']) {
      expect([text, numberOf(text)]).toEqual([text, undefined]);
    }
  });

  test('a score outside its range is shown at its end', () => {
    const score = (value) => read({ Lead_Score__c: value }, FIELDS, CAPS).score;

    expect([score(180), score(-4), score(71.6), score(0), score(null)]).toEqual([100, 0, 72, 0, undefined]);
  });
});

describe('reasons', () => {
  test('each line is one reason with its signed points', () => {
    expect(reasonsOf('+25 Asked for an appointment\n-5 No reply for 14 days\n')).toEqual([
      { points: 25, text: 'Asked for an appointment' },
      { points: -5, text: 'No reply for 14 days' },
    ]);
  });

  test('every line ending and a typographic minus are read', () => {
    expect(reasonsOf('+1 a\r\n\u22122 b\r+3 c').map((each) => each.points)).toEqual([1, -2, 3]);
  });

  test('a line without points stays as it is', () => {
    expect(reasonsOf('Billing question: front office')).toEqual([{ text: 'Billing question: front office' }]);
    expect(reasonWords({ text: '24 hours open' })).toBe('24 hours open');
  });

  test('points are shown with their sign', () => {
    expect(reasonsOf('-5 Late\n+0 Even').map(reasonWords)).toEqual(['\u22125 Late', '+0 Even']);
  });
});

describe('factors', () => {
  const values = { Lead_Score_Inquiry__c: 20, Lead_Score_Urgency__c: 0, Lead_Score_Model__c: MODEL };

  test('points are told with the most that the model gives', () => {
    expect(read(values, FIELDS, CAPS).factors).toEqual([
      { label: 'Inquiry type', words: '20 of 25 points', most: 25, now: 20, width: 'width: 80%' },
      { label: 'Urgency', words: '0 of 20 points', most: 20, now: 0, width: 'width: 0%' },
    ]);
  });

  test('a negative factor has an empty bar and its true words', () => {
    const [factor] = read({ ...values, Lead_Score_Inquiry__c: -5 }, FIELDS, CAPS).factors;

    expect([factor.now, factor.width, factor.words]).toEqual([0, 'width: 0%', '-5 of 25 points']);
  });

  test('an unknown model and points above a cap have no bar', () => {
    const other = read({ ...values, Lead_Score_Model__c: 'other-61e12fa98970' }, FIELDS, CAPS).factors;
    const above = read({ ...values, Lead_Score_Inquiry__c: 26 }, FIELDS, CAPS).factors;

    expect(other[0]).toEqual({ label: 'Inquiry type', words: '20 points' });
    expect(above[0]).toEqual({ label: 'Inquiry type', words: '26 points' });
  });

  test('a model is known by its name and not by its content', () => {
    expect([modelName(MODEL), modelName('by hand')]).toEqual(['general', 'by hand']);
  });
});

describe('time', () => {
  test('an instant with an offset is read, one without is not', () => {
    expect(instantOf('2026-03-02T17:05:00.000Z')).toEqual(later(300_000));
    expect(instantOf('2026-03-02T12:05:00.000-0500')).toEqual(later(300_000));
    for (const text of ['', '2026-03-02', '2026-03-02T17:05:00', '1772470800000', '2026-13-02T17:05:00Z']) {
      expect([text, instantOf(text)]).toEqual([text, undefined]);
    }
  });

  test.each([
    [300_000, '5 min left', false],
    [1, '1 min left', false],
    [0, 'due now', true],
    [-59_999, 'due now', true],
    [-60_000, 'overdue by 1 min', true],
    [7_200_000, '2 h left', false],
    [-5_400_000, 'overdue by 90 min', true],
    [9_000_000, '2 h 30 min left', false],
    [259_200_000, '3 days left', false],
  ])('%s ms from now is told in words', (ms, words, isOverdue) => {
    expect(timeLeft(later(ms), NOON)).toEqual({ words, isOverdue });
  });

  test('no time to respond by has no words', () => {
    expect(timeLeft(undefined, NOON)).toEqual({ words: '', isOverdue: false });
  });

  test('a time is told with day and zone', () => {
    expect(clockTime(NOON, 'en-US', 'America/New_York')).toBe('Mon, Mar 2, 12:00 PM EST');
  });
});

describe('the rest', () => {
  test('every tier has words', () => {
    expect(Object.keys(TIERS)).toEqual(['clinical', 'hot', 'warm', 'nurture', 'low', 'not_a_lead', 'unscored']);
    for (const { words } of Object.values(TIERS)) expect(words).not.toBe('');
  });

  test('an unknown tier or trend is nothing', () => {
    const found = read({ Lead_Score_Tier__c: 'toString', Lead_Score_Trend__c: 'sideways' }, FIELDS, CAPS);

    expect([found.tier, found.trend]).toEqual([undefined, undefined]);
  });

  test('values that are null or blank are none', () => {
    expect(isEmpty({ a: null, b: ' ' }, ['a', 'b', 'c'])).toBe(true);
    expect(isEmpty({ a: 0 }, ['a'])).toBe(false);
  });

  test('a person account has its fields under its own names', () => {
    expect(fieldsOn('Account', { score: 'Lead_Score__c' })).toEqual({ score: 'Lead_Score__pc' });
    expect(fieldsOn('Contact', FIELDS)).toBe(FIELDS);
  });
});
