// Tokens of service accounts on a cluster: issued by one node, accepted by every other, and worth
// nothing anywhere once the account is gone. In another's name over gRPC, too.
'use strict';

const {test, before, after} = require('node:test');
const assert = require('node:assert/strict');
const https = require('node:https');
const path = require('node:path');
const {start, until} = require('../lib/cluster.js');

module.paths.push(path.join(__dirname, '../node_modules'));
let cluster, failed = false;

before(async () => { cluster = await start({nodes: 3}); }, {timeout: 90000});
after(async () => assert.equal(await cluster.stop(failed), 0));

const check = (name, run) => test(name, {timeout: 60000}, async () => {
  try { await run(); } catch (error) { failed = true; throw error; }
});

// {status, body} of a request at a node.
function ask(node, method, target, {token = cluster.dev.token, body, headers = {}} = {}) {
  return new Promise((resolve, reject) => {
    const request = https.request(`${cluster.node(node).api}${target}`, {
      method, ca: cluster.ca, headers: {authorization: `Bearer ${token}`, ...headers}, agent: false,
    }, response => {
      let text = '';
      response.on('data', data => { text += data; });
      response.on('end', () => resolve({status: response.statusCode, body: JSON.parse(text)}));
    });
    request.on('error', reject);
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

const accounts = '/api/v1/namespaces/default/serviceaccounts';
const reviews = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
const whoami = (node, token) => ask(node, 'POST', reviews, {token, body: {}});

async function newToken(node, name) {
  const {status, body} = await ask(node, 'POST', `${accounts}/${name}/token`, {body: {spec: {expirationSeconds: 600}}});
  assert.equal(status, 201, JSON.stringify(body));
  return body.status.token;
}

check('a token is good at every node at once, and ends with its account at every node', async () => {
  for (let round = 0; round < 5; round++) {
    const made = await ask('node-1', 'POST', accounts, {body: {metadata: {name: 'robot'}}});
    assert.equal(made.status, 201);
    const token = await newToken('node-2', 'robot');
    for (const node of ['node-3', 'node-1', 'node-2']) {
      const {status, body} = await whoami(node, token);
      assert.equal(status, 201, `${node}: ${JSON.stringify(body)}`);
      assert.equal(body.status.userInfo.username, 'system:serviceaccount:default:robot');
      assert.equal(body.status.userInfo.uid, made.body.metadata.uid);
    }
    assert.equal((await ask('node-1', 'DELETE', `${accounts}/robot`)).status, 200);
    for (const node of ['node-1', 'node-2', 'node-3']) {
      await until(`${node} has heard of it`, async () => (await whoami(node, token)).status === 401, 2000);
    }
  }
});

check('an account that was made anew is another one', async () => {
  await ask('node-1', 'POST', accounts, {body: {metadata: {name: 'again'}}});
  const old = await newToken('node-1', 'again');
  await ask('node-1', 'DELETE', `${accounts}/again`);
  await ask('node-1', 'POST', accounts, {body: {metadata: {name: 'again'}}});
  const token = await newToken('node-1', 'again');
  for (const node of ['node-1', 'node-2', 'node-3']) {
    assert.equal((await whoami(node, token)).status, 201);
    assert.equal((await whoami(node, old)).status, 401);
  }
});

check('in another\'s name over gRPC, by metadata', async () => {
  const {grpc, proto, client} = require('../lib/grpc.js');
  const {stub, metadata: ours, close} = client(proto.choreo.v1.ResourceService, cluster, {node: 1});
  const ask = metadata => new Promise((resolve, reject) => stub.Create({
    object: {json: Buffer.from(JSON.stringify({apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview'}))},
    form: 'FORM_JSON',
  }, metadata, (error, answer) => error ? reject(error) : resolve(JSON.parse(answer.object.json))));
  const metadata = ours();
  metadata.add('impersonate-user', 'ann');
  metadata.add('impersonate-group', 'g1');
  metadata.add('impersonate-group', 'g2');
  const {status} = await ask(metadata);
  assert.deepEqual(status.userInfo, {username: 'ann', groups: ['g1', 'g2', 'system:authenticated']});
  const token = await newToken('node-1', 'again');
  metadata.set('authorization', `Bearer ${token}`);
  await assert.rejects(ask(metadata), error => error.code === grpc.status.PERMISSION_DENIED &&
      error.details.includes('cannot impersonate resource "users"'));
  close();
});
