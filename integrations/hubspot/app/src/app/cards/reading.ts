/**
 * What the card says of a contact: property values in, words out. No clock, no network, no React.
 *
 * A value that is missing or malformed is undefined; nothing is guessed in its place.
 */

export type Values = Readonly<Record<string, string | null | undefined>>;
export type Tier = 'clinical' | 'hot' | 'warm' | 'nurture' | 'low' | 'not_a_lead' | 'unscored';
export type Tone = 'default' | 'warning' | 'success' | 'error' | 'info';

/** Each tier in words that a front desk uses, and the colour beside them. */
export const TIERS: Readonly<Record<Tier, { words: string; tone: Tone }>> = {
  clinical: { words: 'Possible emergency', tone: 'error' },
  hot: { words: 'Hot: call now', tone: 'error' },
  warm: { words: 'Warm: call soon', tone: 'warning' },
  nurture: { words: 'Nurture', tone: 'success' },
  low: { words: 'Low', tone: 'info' },
  not_a_lead: { words: 'Not a lead', tone: 'default' },
  unscored: { words: 'Not scored', tone: 'default' },
};

const TRENDS: Readonly<Record<string, string>> = {
  up: '▲ Rising since the last score',
  down: '▼ Falling since the last score',
  steady: '► Steady since the last score',
};

/** Factor, as the properties name it -> as the model's caps name it, and as people read it. */
const FACTORS = [
  { meaning: 'inquiry', cap: 'inquiry_type', label: 'Inquiry type' },
  { meaning: 'urgency', cap: 'urgency', label: 'Urgency' },
  { meaning: 'insurance', cap: 'insurance', label: 'Insurance' },
  { meaning: 'procedure', cap: 'procedure', label: 'Procedure' },
  { meaning: 'engagement', cap: 'engagement', label: 'Engagement' },
] as const;

export interface Factor {
  label: string;
  points: number;
  /** Most points, where the record's model is one that the card was written for. */
  most?: number;
  words: string;
}

export interface Reason {
  /** Signed, as in "+10"; undefined where a line has none, as a note has. */
  points?: number;
  text: string;
}

export interface Reading {
  tier?: Tier;
  score?: number;
  reasons: Reason[];
  factors: Factor[];
  likelihood?: number;
  respondBy?: Date;
  trend?: string;
  updatedAt?: Date;
  model?: string;
}

/** Return what the properties say; `properties` maps our meanings to their names. */
export function read(
  values: Values,
  properties: Readonly<Record<string, string>>,
  caps: Readonly<Record<string, Readonly<Record<string, number>>>>,
): Reading {
  const value = (meaning: string): string => {
    const name = properties[meaning];
    return (name === undefined ? '' : values[name] ?? '').trim();
  };
  const model = value('model') || undefined;
  const most = model === undefined ? undefined : caps[modelName(model)];
  const tier = value('tier');
  const score = numberOf(value('score'));
  return {
    tier: isTier(tier) ? tier : undefined,
    score: score === undefined ? undefined : Math.min(100, Math.max(0, Math.round(score))),
    reasons: reasonsOf(value('reasons')),
    factors: FACTORS.flatMap(({ meaning, cap, label }) => {
      const points = numberOf(value(meaning));
      return points === undefined ? [] : [factorOf(label, points, most?.[cap])];
    }),
    likelihood: numberOf(value('likelihood')),
    respondBy: instantOf(value('respond_by')),
    trend: TRENDS[value('trend')],
    updatedAt: instantOf(value('updated_at')),
    model,
  };
}

/** Whether none of our properties has a value: not scored yet, or the properties are not there. */
export function isEmpty(values: Values, names: readonly string[]): boolean {
  return names.every((name) => !values[name]?.trim());
}

function isTier(value: string): value is Tier {
  return Object.hasOwn(TIERS, value);
}

/** A model's name without the hash of its content: "general-61e12fa98970" is "general". */
export function modelName(version: string): string {
  return version.replace(/-[0-9a-f]{12}$/, '');
}

/** A finite number, or undefined. An empty text is no number, and not 0. */
export function numberOf(text: string): number | undefined {
  if (!/^[+-]?(\d+\.?\d*|\.\d+)$/.test(text.trim())) return undefined;
  const found = Number(text);
  return Number.isFinite(found) ? found : undefined;
}

function factorOf(label: string, points: number, most: number | undefined): Factor {
  // A model with other caps than the card's was published since: no bar is better than a wrong one.
  const fits = most !== undefined && most > 0 && points <= most;
  const words = fits ? `${points} of ${most} points` : `${points} points`;
  return fits ? { label, points, most, words } : { label, points, words };
}

/** One reason a line, points first; U+2212 is a minus, too. */
export function reasonsOf(text: string): Reason[] {
  return text
    .split(/\r\n|\r|\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => {
      const found = /^([+\-\u2212]\d{1,3})\s+(\S.*)$/.exec(line);
      if (found === null) return { text: line };
      return { points: Number(found[1]!.replace('\u2212', '-')), text: found[2]! };
    });
}

/** "+10 Asked for an appointment", as the property has it. */
export function reasonWords(reason: Reason): string {
  if (reason.points === undefined) return reason.text;
  return `${reason.points < 0 ? '\u2212' : '+'}${Math.abs(reason.points)} ${reason.text}`;
}

/**
 * An instant as HubSpot gives it: milliseconds since 1970, or ISO 8601 with an offset.
 *
 * A time without an offset is refused: it would be read in the viewer's time zone.
 */
export function instantOf(text: string): Date | undefined {
  const isIso = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)$/.test(text);
  const isMs = /^\d{12,14}$/.test(text);
  if (!isIso && !isMs) return undefined;
  const found = new Date(isMs ? Number(text) : text.replace(/([+-]\d\d)(\d\d)$/, '$1:$2'));
  return Number.isNaN(found.getTime()) ? undefined : found;
}

const MINUTE_MS = 60_000;

/** What is left until `respondBy`, in words; `isOverdue` from the instant itself on. */
export function timeLeft(respondBy: Date, now: Date): { words: string; isOverdue: boolean } {
  const leftMs = respondBy.getTime() - now.getTime();
  if (Number.isNaN(leftMs)) return { words: '', isOverdue: false };
  if (leftMs > 0) {
    // Rounded up: "1 min left" until the last second, never "0 min left".
    return { words: `${span(Math.ceil(leftMs / MINUTE_MS))} left`, isOverdue: false };
  }
  const minutes = Math.floor(-leftMs / MINUTE_MS);
  const words = minutes === 0 ? 'due now' : `overdue by ${span(minutes)}`;
  return { words, isOverdue: true };
}

function span(minutes: number): string {
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} days`;
}

/** Day and time on the viewer's own clock, with its time zone's name. */
export function clockTime(at: Date, locale?: string, timeZone?: string): string {
  return new Intl.DateTimeFormat(locale, {
    weekday: 'short',
    month: 'short',
    day: 'numeric',
    hour: 'numeric',
    minute: '2-digit',
    timeZoneName: 'short',
    ...(timeZone === undefined ? {} : { timeZone }),
  }).format(at);
}
