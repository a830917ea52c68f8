/** What the card makes of the properties' values. */
import { describe, expect, test } from 'vitest';
import { CAPS, PROPERTIES } from '@card/practice';
import {
  clockTime,
  instantOf,
  isEmpty,
  modelName,
  numberOf,
  read,
  reasonWords,
  reasonsOf,
  timeLeft,
} from '@card/reading';

const MODEL = 'general-61e12fa98970';
const at = (text: string) => new Date(text);
const NOON = at('2026-03-02T17:00:00Z');

describe('numbers', () => {
  test('a number as HubSpot writes it is read', () => {
    expect(['72', '72.0', '-5', '+3', '.5'].map(numberOf)).toEqual([72, 72, -5, 3, 0.5]);
  });

  test('what is no number is nothing, and not zero', () => {
    for (const text of ['', ' ', 'NaN', 'Infinity', '1e400', '0x10', '12 points', 'null']) {
      expect(numberOf(text), text).toBeUndefined();
    }
  });

  test('a score outside its range is shown at its end', () => {
    const score = (value: string) => read({ lead_score: value }, PROPERTIES, CAPS).score;

    expect([score('180'), score('-4'), score('71.6')]).toEqual([100, 0, 72]);
  });
});

describe('reasons', () => {
  test('each line is one reason with its signed points', () => {
    const found = reasonsOf('+25 Asked for an appointment\n-5 No reply for 14 days\n');

    expect(found).toEqual([
      { points: 25, text: 'Asked for an appointment' },
      { points: -5, text: 'No reply for 14 days' },
    ]);
  });

  test('every line ending and a typographic minus are read', () => {
    expect(reasonsOf('+1 a\r\n\u22122 b\r+3 c').map((each) => each.points)).toEqual([1, -2, 3]);
  });

  test('a line without points stays as it is', () => {
    expect(reasonsOf('Billing question: front office')).toEqual([
      { text: 'Billing question: front office' },
    ]);
    expect(reasonWords({ text: '24 hours open' })).toBe('24 hours open');
  });

  test('points are shown with their sign', () => {
    expect(reasonsOf('-5 Late\n+0 Even').map(reasonWords)).toEqual(['\u22125 Late', '+0 Even']);
  });

  test('no text has no reasons', () => {
    expect([reasonsOf(''), reasonsOf(' \n\n ')]).toEqual([[], []]);
  });
});

describe('factors', () => {
  const values = { lead_score_inquiry: '25', lead_score_model: MODEL, lead_score_urgency: '0' };

  test('a factor has its points and its cap in words', () => {
    const [inquiry, urgency] = read(values, PROPERTIES, CAPS).factors;

    expect(inquiry).toEqual({ label: 'Inquiry type', points: 25, most: 25, words: '25 of 25 points' });
    expect(urgency?.words).toBe('0 of 20 points');
  });

  test('a factor without a value is left out', () => {
    expect(read(values, PROPERTIES, CAPS).factors).toHaveLength(2);
  });

  test('an unknown model has points and no cap', () => {
    const [inquiry] = read({ ...values, lead_score_model: 'other-1' }, PROPERTIES, CAPS).factors;

    expect(inquiry).toEqual({ label: 'Inquiry type', points: 25, words: '25 points' });
  });

  test('points above the cap show no cap: the model has changed', () => {
    const [inquiry] = read({ ...values, lead_score_inquiry: '40' }, PROPERTIES, CAPS).factors;

    expect(inquiry?.most).toBeUndefined();
    expect(inquiry?.words).toBe('40 points');
  });

  test('a model keeps its name when its content changes', () => {
    expect(modelName(MODEL)).toBe('general');
    expect(modelName('our-own')).toBe('our-own');
    expect(modelName('constructor')).toBe('constructor');
    expect(read({ lead_score_model: 'x', lead_score_inquiry: '1' }, PROPERTIES, {}).factors).toHaveLength(1);
  });

  test('renamed properties are read by their new names', () => {
    expect(read({ booking: '61' }, { score: 'booking' }, {}).score).toBe(61);
  });
});

describe('tier and trend', () => {
  test('an unknown tier is none', () => {
    const tier = (value: string) => read({ lead_score_tier: value }, PROPERTIES, CAPS).tier;

    expect([tier('hot'), tier('HOT'), tier('toString'), tier('')]).toEqual([
      'hot',
      undefined,
      undefined,
      undefined,
    ]);
  });

  test('a trend is told in words', () => {
    const trend = (value: string) => read({ lead_score_trend: value }, PROPERTIES, CAPS).trend;

    expect(trend('up')).toContain('Rising');
    expect(trend('down')).toContain('Falling');
    expect(trend('steady')).toContain('Steady');
    expect([trend(''), trend('sideways')]).toEqual([undefined, undefined]);
  });

  test('a record without any of our values is empty', () => {
    expect(isEmpty({}, ['lead_score'])).toBe(true);
    expect(isEmpty({ lead_score: null, other: 'x' }, ['lead_score'])).toBe(true);
    expect(isEmpty({ lead_score: '0' }, ['lead_score'])).toBe(false);
  });
});

describe('instants', () => {
  test('milliseconds and ISO 8601 are the same instant', () => {
    const forms = [
      '1772470800000',
      '2026-03-02T17:00:00Z',
      '2026-03-02T17:00:00.000Z',
      '2026-03-02T12:00:00-05:00',
      '2026-03-02T12:00:00.000-0500',
    ];

    expect(forms.map((form) => instantOf(form)?.getTime())).toEqual(forms.map(() => NOON.getTime()));
  });

  test('a time without an offset, or no time, is refused', () => {
    for (const text of ['', 'soon', '2026-03-02', '2026-03-02T17:00:00', '2026-13-40T99:00:00Z', '17']) {
      expect(instantOf(text), text).toBeUndefined();
    }
  });
});

describe('time left', () => {
  test.each([
    ['2026-03-02T17:05:00Z', '5 min left', false],
    ['2026-03-02T17:00:30Z', '1 min left', false],
    ['2026-03-02T17:00:00.001Z', '1 min left', false],
    ['2026-03-02T17:00:00Z', 'due now', true],
    ['2026-03-02T16:59:01Z', 'due now', true],
    ['2026-03-02T16:59:00Z', 'overdue by 1 min', true],
    ['2026-03-02T15:10:00Z', 'overdue by 110 min', true],
    ['2026-03-02T20:30:00Z', '3 h 30 min left', false],
    ['2026-03-02T20:00:00Z', '3 h left', false],
    ['2026-03-12T17:00:00Z', '10 days left', false],
    ['2026-02-28T16:00:00Z', 'overdue by 2 days', true],
  ])('it is told at %s', (respondBy, words, isOverdue) => {
    expect(timeLeft(at(respondBy), NOON)).toEqual({ words, isOverdue });
  });

  test('no valid instant has no words', () => {
    expect(timeLeft(new Date(Number.NaN), NOON)).toEqual({ words: '', isOverdue: false });
    expect(timeLeft(NOON, new Date(Number.NaN)).words).toBe('');
  });

  test('it counts real minutes across both changes of the clock', () => {
    // New York: 2026-03-08 02:00 becomes 03:00; 2026-11-01 02:00 becomes 01:00.
    expect(timeLeft(at('2026-03-08T03:10:00-04:00'), at('2026-03-08T01:50:00-05:00')).words).toBe(
      '20 min left',
    );
    expect(timeLeft(at('2026-11-01T01:10:00-05:00'), at('2026-11-01T01:50:00-04:00')).words).toBe(
      '20 min left',
    );
  });
});

describe('the clock of the viewer', () => {
  const shown = (text: string, zone: string) => clockTime(at(text), 'en-US', zone);

  test('an instant is shown in the time zone of the viewer', () => {
    expect(shown('2026-03-02T17:00:00Z', 'America/New_York')).toMatch(/Mon, Mar 2.* 12:00\sPM EST/);
    expect(shown('2026-03-02T17:00:00Z', 'America/Los_Angeles')).toMatch(/9:00\sAM PST/);
    expect(shown('2026-03-02T23:30:00Z', 'Asia/Kolkata')).toMatch(/Tue, Mar 3.* 5:00\sAM GMT\+5:30/);
  });

  test('the hour that comes twice is told apart by the name of its zone', () => {
    expect(shown('2026-11-01T05:30:00Z', 'America/New_York')).toMatch(/1:30\sAM EDT/);
    expect(shown('2026-11-01T06:30:00Z', 'America/New_York')).toMatch(/1:30\sAM EST/);
  });

  test('a time right after the missing hour is right', () => {
    expect(shown('2026-03-08T07:00:00Z', 'America/New_York')).toMatch(/3:00\sAM EDT/);
  });
});
