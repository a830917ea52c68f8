/** The card on a record page: why this score, and how long is left to answer. */
import { LightningElement, api, wire } from 'lwc';
import { getRecord } from 'lightning/uiRecordApi';
import { CAPS, FIELDS } from './practice';
import { TIERS, clockTime, fieldsOn, isEmpty, read, reasonWords, timeLeft } from './reading';

/** How often the minutes left are told anew. */
const TICK_MS = 10_000;

export default class LeadScoreCard extends LightningElement {
    @api recordId;
    /** Lead, Contact or Account: what the page is of. */
    @api objectApiName;

    /** The fields' values; undefined before the first answer. */
    values;
    isFailed = false;
    now = new Date();
    timer;

    // Optional: a field that the viewer may not see is left out, and is no error.
    @wire(getRecord, { recordId: '$recordId', optionalFields: '$optionalFields' })
    take({ data, error }) {
        this.isFailed = error !== undefined;
        if (data !== undefined) {
            this.values = Object.fromEntries(
                Object.entries(data.fields).map(([name, field]) => [name, field.value]),
            );
        }
    }

    connectedCallback() {
        this.timer = setInterval(() => {
            this.now = new Date();
        }, TICK_MS);
    }

    disconnectedCallback() {
        clearInterval(this.timer);
    }

    get names() {
        return fieldsOn(this.objectApiName, FIELDS);
    }

    get optionalFields() {
        return Object.values(this.names).map((name) => `${this.objectApiName}.${name}`);
    }

    get reading() {
        return read(this.values, this.names, CAPS);
    }

    get isLoading() {
        return !this.isFailed && this.values === undefined;
    }

    get isHidden() {
        return Object.values(this.names).every((name) => !Object.hasOwn(this.values, name));
    }

    get isEmpty() {
        return isEmpty(this.values, Object.values(this.names));
    }

    get isClinical() {
        return this.reading.tier === 'clinical';
    }

    get scoreWords() {
        const { score } = this.reading;
        return score === undefined ? '' : `${score} of 100`;
    }

    get tierWords() {
        return TIERS[this.reading.tier]?.words;
    }

    get tierClass() {
        return TIERS[this.reading.tier]?.isUrgent ? 'tier urgent' : 'tier';
    }

    get note() {
        return TIERS[this.reading.tier]?.note;
    }

    get likelihoodWords() {
        const { likelihood } = this.reading;
        return likelihood === undefined ? '' : `Of 100 inquiries like this, about ${likelihood} book.`;
    }

    get respondBy() {
        const { respondBy } = this.reading;
        return respondBy === undefined ? '' : clockTime(respondBy);
    }

    get left() {
        return timeLeft(this.reading.respondBy, this.now);
    }

    get leftClass() {
        return this.left.isOverdue ? 'slds-item_detail overdue' : 'slds-item_detail';
    }

    get factors() {
        return this.reading.factors;
    }

    get hasReasons() {
        return this.reading.reasons.length > 0;
    }

    get reasons() {
        return this.reading.reasons.map((reason, key) => ({ key, words: reasonWords(reason) }));
    }

    get origin() {
        const { updatedAt, model } = this.reading;
        const parts = [];
        if (updatedAt !== undefined) parts.push(`Scored ${clockTime(updatedAt)}`);
        if (model !== undefined) parts.push(`model ${model}`);
        return parts.join(' · ');
    }
}
