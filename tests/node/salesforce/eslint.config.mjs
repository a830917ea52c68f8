/** Salesforce's own rules for components, the strictest set. */
import lwc from '@salesforce/eslint-config-lwc/recommended.js';

export default [
  ...lwc,
  {
    files: ['**/*.js'],
    rules: {
      // The clock must tick while the page is open; the timer is cleared when the card leaves it.
      '@lwc/lwc/no-async-operation': 'off',
    },
  },
];
