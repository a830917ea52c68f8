/** Salesforce's own configuration; the card lies in the package, its packages lie here. */
const path = require('node:path');
const { jestConfig } = require('@salesforce/sfdx-lwc-jest/config');

module.exports = {
  ...jestConfig,
  modulePaths: [path.join(__dirname, 'node_modules')],
  // Its build for browsers would be taken, for the sake of the page that jest pretends.
  moduleNameMapper: { '^@apexdevtools/apex-parser$': require.resolve('@apexdevtools/apex-parser') },
  testTimeout: 60_000,
};
