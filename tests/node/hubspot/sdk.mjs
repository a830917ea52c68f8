/**
 * HubSpot's own Node SDK, driven by tests/integrations/hubspot/test_hubspot_node_sdk.py.
 *
 * One JSON object in on stdin, one out on stdout:
 *   {"deliveries": [{version, signature, secret, method, url, body, timestamp}]} -> {"valid": [true | false | "why"]}
 *   {"basePath", "accessToken", "ids", "properties"} -> {"records": {id: {property: value}}}
 */
import { Client, Signature } from '@hubspot/api-client';

const asked = JSON.parse(await new Response(process.stdin).text());
process.stdout.write(JSON.stringify(asked.deliveries ? { valid: asked.deliveries.map(isValid) } : await read(asked)));

function isValid({ version, signature, secret, method, url, body, timestamp }) {
  try {
    return Signature.isValid({
      signatureVersion: version,
      signature,
      clientSecret: secret,
      method,
      url,
      requestBody: body,
      timestamp,
    });
  } catch (error) {
    return String(error.message);
  }
}

async function read({ basePath, accessToken, ids, properties }) {
  const client = new Client({ basePath, accessToken });
  const found = await client.crm.contacts.batchApi.read({
    inputs: ids.map((id) => ({ id })),
    properties,
    propertiesWithHistory: [],
  });
  return { records: Object.fromEntries(found.results.map((each) => [each.id, each.properties])) };
}
