// A certified OpenID provider for the tests, shaped like Entra ID v2.0: the tenant in the issuer, app roles, oid and
// tid in the ID token, an e-mail address that nobody verified, PKCE required. It lets in whom the file of people names,
// whatever the password, and reads that file anew each time: so that tests can take somebody's role away.

import { generateKeyPairSync, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { Provider } from "oidc-provider";

const { port, tenant, client, people } = JSON.parse(process.argv[2]);
const prefix = `/${tenant}/v2.0`;
const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const key = { ...privateKey.export({ format: "jwk" }), kid: randomUUID(), use: "sig", alg: "RS256" };

function find(ctx, sub) {
  const claims = JSON.parse(readFileSync(people))[sub];
  return claims && { accountId: sub, claims: () => ({ sub, oid: `oid-${sub}`, tid: tenant, ver: "2.0", ...claims }) };
}

async function grantAsked(ctx) {
  const grant = new ctx.oidc.provider.Grant({
    clientId: ctx.oidc.client.clientId,
    accountId: ctx.oidc.session.accountId,
  });
  grant.addOIDCScope("openid profile email offline_access");
  await grant.save();
  return grant;
}

const provider = new Provider(`http://127.0.0.1:${port}${prefix}`, {
  clients: [{ ...client, require_auth_time: true, grant_types: ["authorization_code", "refresh_token"] }],
  jwks: { keys: [key] },
  cookies: { keys: ["for tests alone"] },
  conformIdTokenClaims: false,
  claims: {
    openid: ["sub", "oid", "tid", "ver", "roles", "groups", "_claim_names"],
    profile: ["preferred_username", "given_name", "family_name"],
    email: ["email", "email_verified"],
  },
  pkce: { required: () => true },
  findAccount: find,
  loadExistingGrant: grantAsked,
  issueRefreshToken: () => true,
  rotateRefreshToken: true,
});

createServer((request, response) => {
  request.originalUrl = request.url;
  request.url = request.url.slice(prefix.length) || "/";
  provider.callback()(request, response);
}).listen(port, "127.0.0.1", () => console.log("ready"));
