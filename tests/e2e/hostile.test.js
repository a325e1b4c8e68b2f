// A node under requests that mean harm: made from a seed, on kept-alive connections, as fast as it goes.
//
//   HOSTILE_REQUESTS=1000000 HOSTILE_SEED=7 node --test tests/e2e/hostile.test.js
//
// No answer of class 5 but those that are meant: 504 (a version that is yet to come was asked for) and
// 505 (gRPC by HTTP/1). The node lives, nothing of the requests is left, and memory is what it was when a
// part of them had come: it does not grow with their number.
'use strict';

const {test, before, after} = require('node:test');
const assert = require('node:assert/strict');
const http2 = require('node:http2');
const https = require('node:https');
const {start, until, sleep} = require('../lib/cluster.js');
const {Hostile} = require('../lib/hostile.js');
const {ask, resident} = require('../lib/neighbour.js');

const COUNT = Number(process.env.HOSTILE_REQUESTS || 30000);
const SEED = Number(process.env.HOSTILE_SEED || 1);
const LIMIT_MS = process.env.HOSTILE_REQUESTS ? 3 * 3600 * 1000 : 60000;
const SESSIONS = 4, TOGETHER = 8, H1 = 8, MORE_MB = 16, MORE_PART = 0.1;
const MEANT = new Set([504, 505]);

let cluster, failed = false;

before(async () => { cluster = await start({nodes: 1, shards: 2}); }, {timeout: 60000});
after(async () => assert.equal(await cluster.stop(failed), 0));

function alive(pid) {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

// One after the other over HTTP/2; each session lives for some thousand requests.
function overH2(session, {method, path, headers, body}) {
  return new Promise(resolve => {
    const stream = session.request({':method': method, ':path': path, authorization: `Bearer ${cluster.dev.token}`,
                                    ...headers}, {endStream: !body});
    let status = 'reset';
    stream.on('response', h => { status = h[':status']; });
    stream.on('error', () => {});
    stream.on('close', () => resolve(status));
    stream.resume();
    if (body) stream.end(body);
  });
}

function overH1(agent, {method, path, headers, body}) {
  const {hostname, port} = new URL(cluster.dev.nodes[0].api);
  return new Promise(resolve => {
    const request = https.request({agent, hostname, port, method, path, ca: cluster.ca,
      headers: {authorization: `Bearer ${cluster.dev.token}`, ...headers}}, response => {
        response.resume();
        response.on('close', () => resolve(response.statusCode));
      });
    request.on('error', () => resolve('reset'));
    request.end(body);
  });
}

test(`${COUNT} hostile requests from seed ${SEED}`, {timeout: LIMIT_MS + 120000}, async () => {
  const url = cluster.dev.nodes[0].api, pid = cluster.node('node-1').pid;
  const answers = {}, wrong = [], started = Date.now();
  let done = 0, early;
  const agent = new https.Agent({keepAlive: true, maxSockets: H1});
  const worker = async (id, send) => {
    for (let i = 0; done < COUNT && Date.now() - started < LIMIT_MS; i++) {
      const hostile = new Hostile((SEED * 1000003 + id * 10007 + i) >>> 0); // each by itself, to be repeated
      const request = hostile.next();
      let status;
      try {
        status = await send(request);
      } catch (error) { // what the client's library does not let through
        status = 'not sent';
      }
      done++;
      answers[status] = (answers[status] || 0) + 1;
      if (status >= 500 && !MEANT.has(status)) {
        wrong.push({status, seed: [SEED, id, i], ...request, body: String(request.body ?? '').slice(0, 300)});
      }
      if (done % 1000 === 0 && !alive(pid)) failed = true;
      if (failed) return;
      if (done === Math.floor(COUNT / 3)) early = resident(pid);
      if (done % 100000 === 0) {
        console.log(`${done} in ${Math.round((Date.now() - started) / 1000)} s, ${resident(pid) >> 20} MB: ${JSON.stringify(answers)}`);
      }
    }
  };
  const sessions = Array.from({length: SESSIONS}, () => null);
  const session = s => {
    if (!sessions[s] || sessions[s].destroyed || sessions[s].closed) {
      sessions[s] = http2.connect(url, {ca: cluster.ca});
      sessions[s].on('error', () => {});
    }
    return sessions[s];
  };
  await Promise.all([
    ...Array.from({length: SESSIONS * TOGETHER}, (_, i) => worker(i, r => overH2(session(i % SESSIONS), r))),
    ...Array.from({length: H1}, (_, i) => worker(1000 + i, r => overH1(agent, r))),
  ]);
  assert.ok(!failed, `the node died within ${done} requests: ${JSON.stringify(answers)}`);
  sessions.forEach(s => s?.destroy());
  agent.destroy();
  const seconds = (Date.now() - started) / 1000;
  try {
    const look = http2.connect(url, {ca: cluster.ca});
    look.on('error', () => {});
    await until('nothing is left', async () => {
      const {body} = await ask(look, cluster.dev.token, 'GET', '/metrics');
      return /^choreod_api_requests 1$/m.test(body) && /^choreod_api_watches 0$/m.test(body);
    });
    look.destroy();
    await sleep(3000);
    const now = resident(pid), mb = n => (n / (1 << 20)).toFixed(1);
    console.log(`${done} requests in ${seconds.toFixed(0)} s: ${JSON.stringify(answers)}; memory after a third ${
      mb(early ?? now)} MB, afterwards ${mb(now)} MB`);
    assert.deepEqual(wrong.slice(0, 5), []);
    assert.equal(cluster.reload().nodes[0].pid, pid, 'the node has died and come back');
    assert.ok(done > 1000, 'hardly any came through');
    for (const status of [200, 201, 400, 404, 422]) assert.ok(answers[status] > 0, `never ${status}`);
    if (early) assert.ok(now <= early * (1 + MORE_PART) + (MORE_MB << 20), `${mb(now)} MB, ${mb(early)} MB after a third`);
  } catch (error) {
    failed = true;
    throw error;
  }
});
