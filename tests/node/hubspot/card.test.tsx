/** The card as HubSpot's own testing renderer shows it. */
import {
  Alert,
  Button,
  DescriptionListItem,
  EmptyState,
  ErrorState,
  Heading,
  List,
  LoadingSpinner,
  ProgressBar,
  Tag,
  Text,
  hubspot,
} from '@hubspot/ui-extensions';
import { createRenderer } from '@hubspot/ui-extensions/testing';
import React from 'react';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { PROPERTIES } from '@card/practice';

const extend = vi.spyOn(hubspot, 'extend');
const { ScoreCard } = await import('@card/ScoreCard');

const NOW = new Date('2026-03-02T17:00:00Z');
const HOT = {
  lead_score: '82',
  lead_score_tier: 'hot',
  lead_score_reasons: '+25 Asked for an appointment\n+12 In pain\n-5 No reply for 14 days',
  lead_score_inquiry: '25',
  lead_score_urgency: '12',
  lead_score_insurance: '15',
  lead_score_procedure: '20',
  lead_score_engagement: '10',
  lead_score_likelihood: null,
  lead_score_respond_by: '2026-03-02T17:05:00Z',
  lead_score_trend: 'up',
  lead_score_updated_at: '1772470800000',
  lead_score_model: 'general-61e12fa98970',
};

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
  vi.stubEnv('TZ', 'America/New_York');
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
});

type Shown = Partial<{ error: Error; isLoading: boolean; refetch: () => Promise<void> }>;

function show(values: Record<string, string | null>, more: Shown = {}) {
  const renderer = createRenderer('crm.record.tab');
  renderer.mocks.useCrmProperties.willCall(() => ({
    properties: values,
    error: null,
    isLoading: false,
    isRefetching: false,
    refetch: async () => {},
    ...more,
  }));
  renderer.render(<ScoreCard />);
  return renderer;
}

type Node = { text?: string | null; childNodes?: readonly object[] };

/** All the text below a node, in order; a node's own `text` is only what stands directly in it. */
function textOf(node: Node): string {
  const below = (node.childNodes ?? []).map((child) => textOf(child as Node));
  return node.childNodes === undefined ? node.text ?? '' : below.join('');
}

const words = (renderer: ReturnType<typeof show>) => textOf(renderer.getRootNode());

test('the card registers itself once with HubSpot', () => {
  expect(extend).toHaveBeenCalledOnce();
});

test('a hot lead shows its score and its tier in words', () => {
  const card = show(HOT);

  expect(card.find(Heading).text).toBe('Lead score 82 of 100');
  expect(card.find(Tag).text).toBe('Hot: call now');
  expect(card.maybeFind(Alert)).toBeNull();
});

test('each factor is a bar whose words say points and cap', () => {
  const bars = show(HOT).findAll(ProgressBar).map((bar) => bar.props);

  expect(bars.map((bar) => [bar.title, bar.value, bar.maxValue, bar.valueDescription])).toEqual([
    ['Inquiry type', 25, 25, '25 of 25 points'],
    ['Urgency', 12, 20, '12 of 20 points'],
    ['Insurance', 15, 15, '15 of 15 points'],
    ['Procedure', 20, 20, '20 of 20 points'],
    ['Engagement', 10, 20, '10 of 20 points'],
  ]);
  expect(bars[1]?.['aria-label']).toBe('Urgency: 12 of 20 points');
});

test('a model that the card does not know shows points without bars', () => {
  const card = show({ ...HOT, lead_score_model: 'other-000000000000' });

  expect(card.findAll(ProgressBar)).toHaveLength(0);
  expect(words(card)).toContain('Urgency: 12 points');
});

test('reasons are a list with signed points', () => {
  const lines = show(HOT).find(List).findAll(Text).map((line) => line.text);

  expect(lines).toEqual(['+25 Asked for an appointment', '+12 In pain', '\u22125 No reply for 14 days']);
});

test('the respond-by time is the one of the viewer, with the minutes left', () => {
  const [by, left] = show(HOT).findAll(DescriptionListItem);

  expect(textOf(by!)).toMatch(/12:05\sPM EST/);
  expect(textOf(left!)).toBe('5 min left');
});

test('the minutes left tick down and turn to overdue', async () => {
  const card = show(HOT);
  const left = () => textOf(card.findAll(DescriptionListItem)[1]!);

  await vi.advanceTimersByTimeAsync(2 * 60_000);
  expect(left()).toBe('3 min left');
  await vi.advanceTimersByTimeAsync(10 * 60_000);
  expect(left()).toBe('overdue by 7 min');
});

test('the trend, the time of scoring and the model are told', () => {
  const shown = words(show(HOT));

  expect(shown).toContain('Rising since the last score');
  expect(shown).toMatch(/Scored Mon, Mar 2.*12:00\sPM EST · model general-61e12fa98970/);
});

test('a likelihood is told when there is one', () => {
  expect(words(show(HOT))).not.toContain('Of 100');
  expect(words(show({ ...HOT, lead_score_likelihood: '38' }))).toContain('about 38 book');
});

test('a possible emergency stands on top, without a score', () => {
  const card = show({
    lead_score_tier: 'clinical',
    lead_score_reasons: 'Possible emergency',
    lead_score_respond_by: '2026-03-02T16:57:00Z',
    lead_score_updated_at: '1772470800000',
  });
  const alert = card.find(Alert);

  expect(words(card).startsWith(textOf(alert))).toBe(true);
  expect(alert.props.title).toBe('Possible emergency: call now');
  expect(alert.text).toContain('protocol');
  expect(alert.text).toContain('emergency services');
  expect(card.maybeFind(Heading)).toBeNull();
  expect(words(card)).toContain('overdue by 3 min');
  expect(words(card)).not.toContain('not urgent');
});

test('what is no lead says so and has no bars', () => {
  const card = show({ lead_score_tier: 'not_a_lead', lead_score_reasons: 'Billing question' });

  expect(card.find(Tag).text).toBe('Not a lead');
  expect(words(card)).toContain('no new inquiry');
  expect(card.findAll(ProgressBar)).toHaveLength(0);
});

test('an unscored contact says that too little is known', () => {
  expect(words(show({ lead_score_tier: 'unscored' }))).toContain('Too little is known');
});

test('a score of nought is a score', () => {
  const card = show({ lead_score: '0', lead_score_tier: 'low' });

  expect(card.find(Heading).text).toBe('Lead score 0 of 100');
});

test('values that make no sense are left out', () => {
  const card = show({ ...HOT, lead_score: 'NaN', lead_score_respond_by: 'soon', lead_score_urgency: '' });

  expect(card.maybeFind(Heading)).toBeNull();
  expect(card.findAll(DescriptionListItem)).toHaveLength(0);
  expect(card.findAll(ProgressBar)).toHaveLength(4);
});

test('while it loads it says so', () => {
  expect(show({}, { isLoading: true }).find(LoadingSpinner).props.label).toContain('Loading');
});

test('an error says what to do and can be tried again', () => {
  const refetch = vi.fn(async () => {});
  const card = show({}, { error: new Error('no such property'), refetch });

  card.find(Button).trigger('onClick');

  expect(textOf(card.find(ErrorState))).toContain('leadscore provision');
  expect(refetch).toHaveBeenCalledOnce();
});

test('a contact without a score says that it has none yet', () => {
  const empty = Object.fromEntries(Object.keys(HOT).map((name) => [name, null]));

  expect(textOf(show(empty).find(EmptyState))).toContain('leadscore doctor');
});

test('only our own properties are asked for', () => {
  const card = show(HOT);
  const asked = card.mocks.useCrmProperties.calls.map(([names]) => names);

  expect(new Set(asked.flat())).toEqual(new Set(Object.values(PROPERTIES)));
});
