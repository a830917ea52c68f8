/**
 * What the card says of a record: field values in, words out. No clock, no network, no page.
 *
 * A value that is missing or malformed is undefined; nothing is guessed in its place.
 */

/** Each tier in words that a front desk uses, and what else there is to say of it. */
export const TIERS = Object.freeze({
    clinical: {
        words: 'Possible emergency',
        note: 'It has no score: it is not ranked among the others.',
        isUrgent: true,
    },
    hot: { words: 'Hot: call now', isUrgent: true },
    warm: { words: 'Warm: call soon' },
    nurture: { words: 'Nurture' },
    low: { words: 'Low' },
    not_a_lead: {
        words: 'Not a lead',
        note: 'This is no new inquiry, so it has no score. The reasons say where it belongs.',
    },
    unscored: { words: 'Not scored', note: 'Too little is known of this record to score it.' },
});

const TRENDS = Object.freeze({
    up: '▲ Rising since the last score',
    down: '▼ Falling since the last score',
    steady: '► Steady since the last score',
});

/** Factor, as the fields name it -> as the model's caps name it, and as people read it. */
const FACTORS = [
    { meaning: 'inquiry', cap: 'inquiry_type', label: 'Inquiry type' },
    { meaning: 'urgency', cap: 'urgency', label: 'Urgency' },
    { meaning: 'insurance', cap: 'insurance', label: 'Insurance' },
    { meaning: 'procedure', cap: 'procedure', label: 'Procedure' },
    { meaning: 'engagement', cap: 'engagement', label: 'Engagement' },
];

/** What the fields are called on an object: a person account ends its contact's in `__pc`. */
export function fieldsOn(object, fields) {
    if (object !== 'Account') return fields;
    return Object.fromEntries(
        Object.entries(fields).map(([meaning, name]) => [meaning, name.replace(/__c$/, '__pc')]),
    );
}

/** What the values say; `fields` maps our meanings to the fields' names. */
export function read(values, fields, caps) {
    const value = (meaning) => String(values[fields[meaning]] ?? '').trim();
    const model = value('model') || undefined;
    const most = model === undefined ? undefined : caps[modelName(model)];
    const tier = value('tier');
    const score = numberOf(value('score'));
    return {
        tier: Object.hasOwn(TIERS, tier) ? tier : undefined,
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

/** Whether none of the fields has a value: the record was not scored yet. */
export function isEmpty(values, names) {
    return names.every((name) => String(values[name] ?? '').trim() === '');
}

/** A model's name without the hash of its content: "general-61e12fa98970" is "general". */
export function modelName(version) {
    return version.replace(/-[0-9a-f]{12}$/, '');
}

/** A finite number, or undefined. An empty text is no number, and not 0. */
export function numberOf(text) {
    if (!/^[+-]?(\d+\.?\d*|\.\d+)$/.test(text)) return undefined;
    const found = Number(text);
    return Number.isFinite(found) ? found : undefined;
}

function factorOf(label, points, most) {
    // A model with other caps than the card's was published since: no bar is better than a wrong one.
    const fits = most !== undefined && most > 0 && points <= most;
    if (!fits) return { label, words: `${points} points` };
    const now = Math.max(0, points);
    const width = `width: ${Math.round((100 * now) / most)}%`;
    return { label, words: `${points} of ${most} points`, most, now, width };
}

/** One reason a line, points first; U+2212 is a minus, too. */
export function reasonsOf(text) {
    return text
        .split(/\r\n|\r|\n/)
        .map((line) => line.trim())
        .filter((line) => line !== '')
        .map((line) => {
            const found = /^([+\-\u2212]\d{1,3})\s+(\S.*)$/.exec(line);
            if (found === null) return { text: line };
            return { points: Number(found[1].replace('\u2212', '-')), text: found[2] };
        });
}

/** "+10 Asked for an appointment", as the field has it. */
export function reasonWords(reason) {
    if (reason.points === undefined) return reason.text;
    return `${reason.points < 0 ? '\u2212' : '+'}${Math.abs(reason.points)} ${reason.text}`;
}

/** An ISO 8601 instant; one without an offset is refused: it would be read in the viewer's zone. */
export function instantOf(text) {
    if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)$/.test(text)) return undefined;
    const found = new Date(text.replace(/([+-]\d\d)(\d\d)$/, '$1:$2'));
    return Number.isNaN(found.getTime()) ? undefined : found;
}

const MINUTE_MS = 60_000;

/** What is left until `respondBy`, in words; `isOverdue` from the instant itself on. */
export function timeLeft(respondBy, now) {
    if (respondBy === undefined) return { words: '', isOverdue: false };
    const leftMs = respondBy.getTime() - now.getTime();
    if (leftMs > 0) {
        // Rounded up: "1 min left" until the last second, never "0 min left".
        return { words: `${span(Math.ceil(leftMs / MINUTE_MS))} left`, isOverdue: false };
    }
    const minutes = Math.floor(-leftMs / MINUTE_MS);
    return { words: minutes === 0 ? 'due now' : `overdue by ${span(minutes)}`, isOverdue: true };
}

function span(minutes) {
    if (minutes < 120) return `${minutes} min`;
    const hours = Math.floor(minutes / 60);
    if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
    return `${Math.floor(hours / 24)} days`;
}

/** Day and time on the viewer's own clock, with its time zone's name. */
export function clockTime(at, locale, timeZone) {
    return new Intl.DateTimeFormat(locale, {
        weekday: 'short',
        month: 'short',
        day: 'numeric',
        hour: 'numeric',
        minute: '2-digit',
        timeZoneName: 'short',
        timeZone,
    }).format(at);
}
