/**
 * jsforce, unmodified, driven by tests/integrations/salesforce/test_salesforce_jsforce.py.
 *
 * One JSON object in on stdin: {"loginUrl", "clientId", "clientSecret", "ids", "fields", "update"}; out on stdout:
 *   {"records", "queried", "total", "types", "updated", "refused"} or {"error"}
 */
import jsforce from 'jsforce';

const asked = JSON.parse(await new Response(process.stdin).text());
let told;
try {
  told = await drive(asked);
} catch (error) {
  told = { error: `${error.name}: ${error.message}` };
}
process.stdout.write(JSON.stringify(told));

async function drive({ loginUrl, clientId, clientSecret, ids, fields, update }) {
  const connection = new jsforce.Connection({ version: '63.0', oauth2: { loginUrl, clientId, clientSecret } });
  await connection.authorize({ grant_type: 'client_credentials' });

  const records = await connection.sobject('Lead').retrieve(ids, { fields: ['Id', ...fields] });
  const query = `SELECT Id, ${fields.join(', ')} FROM Lead WHERE Lead_Score_Tier__c != null ORDER BY Id`;
  const queried = await connection.query(query, { autoFetch: true, maxFetch: 10_000 });
  const described = await connection.sobject('Lead').describe();
  const headers = { 'Sforce-Auto-Assign': 'FALSE' };
  const updated = await connection.sobject('Lead').update(update, { headers });
  const refused = await connection.sobject('Lead').update(
    update.map(({ Id }) => ({ Id, Lead_Score_Tier__c: 'boiling' })),
    { headers },
  );
  return {
    records: Object.fromEntries(records.map((each) => [each.Id, each])),
    queried: queried.records.map((each) => each.Id),
    total: queried.totalSize,
    types: Object.fromEntries(described.fields.map(({ name, type, picklistValues }) => [name, [type, (picklistValues ?? []).map(({ value }) => value)]])),
    updated: updated.map(({ success }) => success),
    refused: refused.map(({ success, errors }) => [success, errors.map(({ statusCode }) => statusCode)]),
  };
}
