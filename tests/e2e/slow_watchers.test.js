// Watchers that read nothing, over gRPC, HTTP/2 and HTTP/1, while twenty megabytes of changes pass:
// they cost what node/http/stream.h says, delay nobody, and go on from where they were once they read.
'use strict';

const {test, before, after} = require('node:test');
const assert = require('node:assert/strict');
const http2 = require('node:http2');
const https = require('node:https');
const {start, until, sleep} = require('../lib/cluster.js');
const {proto, client, parse} = require('../lib/grpc.js');
const {ask, resident} = require('../lib/neighbour.js');

const CHANGES = 1000, VALUE_BYTES = 20000, EACH = 10;
const GROWS_MB = 40; // 30 watchers: 256 KiB and one event each, as much on the way in TLS, and the heap's holes
const COLLECTION = '/api/v1/namespaces/default/configmaps';

let cluster, url, failed = false;

before(async () => {
  cluster = await start({nodes: 1, shards: 1});
  url = cluster.dev.nodes[0].api;
}, {timeout: 60000});
after(async () => assert.equal(await cluster.stop(failed), 0));

const authorization = () => ({authorization: `Bearer ${cluster.dev.token}`});
const session = () => { const s = http2.connect(url, {ca: cluster.ca}); s.on('error', () => {}); return s; };

// The n of every change in what has come so far, as the writer numbered them.
function reader() {
  let text = '';
  const seen = [];
  return {seen, take(data) {
    const lines = (text + data).split('\n');
    text = lines.pop();
    for (const line of lines) {
      const {type, object} = JSON.parse(line);
      assert.notEqual(type, 'ERROR', line.slice(0, 300));
      seen.push(Number(object.data?.n ?? NaN));
    }
  }};
}

// Each watch: {resume(), seen, close()}; it reads nothing before resume().
async function overH2(since) {
  const s = session(), {seen, take} = reader();
  const stream = s.request({':path': `${COLLECTION}?watch=true&resourceVersion=${since}`, ...authorization()});
  stream.on('error', () => {});
  await new Promise(resolve => stream.once('response', resolve));
  return {seen, resume: () => stream.setEncoding('utf8').on('data', take), close: () => s.destroy()};
}

async function overH1(since) {
  const {hostname, port} = new URL(url), {seen, take} = reader();
  const request = https.request({hostname, port, ca: cluster.ca, agent: false, headers: authorization(),
    path: `${COLLECTION}?watch=true&resourceVersion=${since}`});
  request.end();
  const response = await new Promise((resolve, reject) => { request.on('response', resolve); request.on('error', reject); });
  response.pause();
  response.on('error', () => {});
  return {seen, resume: () => response.setEncoding('utf8').on('data', take).resume(), close: () => request.destroy()};
}

async function overGrpc(since) {
  const c = client(proto.choreo.v1.ResourceService, cluster), seen = [];
  const stream = c.stub.Watch({ref: {resource: 'configmaps', namespace: 'default'}, resource_version: since,
    form: 'FORM_JSON'}, c.metadata());
  stream.on('error', () => {});
  stream.pause();
  await sleep(50);
  const take = event => { if (event.object) seen.push(Number(parse(event.object).data.n ?? NaN)); };
  return {seen, resume: () => stream.on('data', take).resume(), close: () => { stream.cancel(); c.close(); }};
}

test('watchers that read nothing cost little, delay nobody and miss nothing', {timeout: 180000}, async () => {
  const pid = cluster.node('node-1').pid, s = session(), token = cluster.dev.token;
  try {
    const object = n => ({apiVersion: 'v1', kind: 'ConfigMap', metadata: {name: 'changing'},
                          data: {n: String(n), value: 'x'.repeat(VALUE_BYTES)}});
    const write = n => ask(s, token, 'PUT', `${COLLECTION}/changing`, object(n));
    const first = JSON.parse((await ask(s, token, 'POST', COLLECTION, object(0))).body);
    for (let n = -200; n < 0; n++) await write(n); // what a node that has written holds anyway
    const since = JSON.parse((await write(0)).body).metadata.resourceVersion;
    assert.ok(BigInt(since) > BigInt(first.metadata.resourceVersion));
    const slow = [];
    for (const open of [overH2, overH1, overGrpc]) for (let i = 0; i < EACH; i++) slow.push(await open(since));
    const quick = await overH2(since);
    quick.resume();
    const sent = new Map(), delays = [];
    const look = setInterval(() => {
      for (const n of quick.seen) if (sent.has(n)) { delays.push(performance.now() - sent.get(n)); sent.delete(n); }
    }, 1);
    await sleep(1000);
    const before = resident(pid);
    let most = before;
    for (let n = 1; n <= CHANGES; n++) {
      sent.set(n, performance.now());
      assert.equal((await write(n)).status, 200);
      if (n % 50 === 0) most = Math.max(most, resident(pid));
    }
    await until('the neighbour has seen all', () => quick.seen.at(-1) === CHANGES);
    clearInterval(look);
    assert.deepEqual(quick.seen, Array.from({length: CHANGES}, (_, i) => i + 1));
    delays.sort((a, b) => a - b);
    const grown = (most - before) / (1 << 20);
    console.log(`${slow.length} slow watchers beside ${CHANGES} changes: the node grew by ${grown.toFixed(1)} MB of ${
      (slow.length * CHANGES * VALUE_BYTES / (1 << 20)).toFixed(0)}; the neighbour waited ${
      delays[delays.length >> 1].toFixed(1)} ms, ${delays.at(-1).toFixed(0)} at most`);
    assert.ok(grown <= GROWS_MB, `the node grew by ${grown.toFixed(1)} MB`);
    // One of each kind begins to read: all is there, in order.
    for (const watch of [slow[0], slow[EACH], slow[2 * EACH]]) {
      watch.resume();
      await until('what it missed', () => watch.seen.at(-1) === CHANGES, 60000);
      assert.deepEqual(watch.seen, Array.from({length: CHANGES}, (_, i) => i + 1));
    }
    for (const watch of [...slow, quick]) watch.close();
    await until('no watch is left', async () =>
      /^choreod_api_watches 0$/m.test((await ask(s, token, 'GET', '/metrics')).body));
    s.destroy();
  } catch (error) {
    failed = true;
    throw error;
  }
});
