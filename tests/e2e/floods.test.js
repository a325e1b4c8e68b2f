// One node, attacked with every flood that we know of, beside a client that behaves.
//
// Of each attack: the node lives, its neighbour is served all the while without one error, the attacker
// is held to what node/http/flood.h and base/quota.h say, and afterwards nothing is left of it: no
// request, no watch, no byte held, no connection, and the memory that there was before.
'use strict';

const {test, before, after} = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const http2 = require('node:http2');
const path = require('node:path');
const zlib = require('node:zlib');
const {start, sleep, until} = require('../lib/cluster.js');
const {proto, client} = require('../lib/grpc.js');
const {Neighbour, ask, quantile, resident, roomForAll} = require('../lib/neighbour.js');
const {types, flags, settings, frame, block, request, u32, Wire, H2} = require('../lib/frames.js');

const ATTACK_MS = 1000, MORE_MB = 12, MORE_PART = 0.1;
const CONFIGMAPS = '/api/v1/namespaces/default/configmaps';

let cluster, url, token, neighbour, memoryBefore, failed = false;

before(async () => {
  cluster = await start({nodes: 1, shards: 1});
  url = cluster.dev.nodes[0].api;
  token = cluster.dev.token;
  fs.appendFileSync(path.join(cluster.dir, 'nodes/node-1/choreod.yaml'),
      'api: {connections: 400}\nsubjects: {requests: 100, watches: 100, megabytes: 32}\n');
  await cluster.kill('node-1', 'SIGTERM');
  await until('node-1 with its limits', () => cluster.restart('node-1'));
  const admin = client(proto.choreo.v1.ClusterService, cluster);
  ({token} = await admin.call('CreateToken', {purpose: 'USER', user: 'mallory', groups: ['system:masters']}));
  admin.close();
  neighbour = new Neighbour(cluster);
  await neighbour.begin();
  await warmUp();
}, {timeout: 90000});

after(async () => {
  await neighbour.end();
  const code = await cluster.stop(failed);
  assert.equal(code, 0);
});

const h2 = (options = {}) => new H2({url, ca: cluster.ca, ...options});
const h1 = () => new Wire({url, ca: cluster.ca, alpn: 'http/1.1'});

// Runs the attack beside the neighbour, then sees that nothing is left of it.
function attack(name, run) {
  test(name, {timeout: 60000}, async () => {
    try {
      const pid = cluster.node('node-1').pid;
      memoryBefore ??= await settled(pid);
      await neighbour.report();
      await run();
      const {latencies, errors} = await neighbour.report();
      await until('the node to be rid of it', () => isQuiet());
      assert.deepEqual(errors, []);
      assert.ok(latencies.length > 5, `the neighbour was served ${latencies.length} times`);
      console.log(`${name}: neighbour served ${latencies.length} times, median ${
        quantile(latencies, 0.5).toFixed(1)} ms, p99 ${quantile(latencies, 0.99).toFixed(1)} ms`);
      assert.equal(cluster.reload().nodes[0].pid, pid, 'the node has died and come back');
    } catch (error) {
      failed = true;
      throw error;
    }
  });
}

async function isQuiet() {
  const m = await neighbour.metrics();
  assert.equal(m.choreod_api_watches, 0, 'watches are left');
  assert.ok(m.choreod_api_requests <= 3, `${m.choreod_api_requests} requests are left`);
  assert.ok(m.choreod_api_request_bytes < 10000, 'bytes are left');
  assert.ok(m.choreod_http_connections <= 4, `${m.choreod_http_connections} connections are left`);
  return true;
}

// What a node that has served for a while holds anyway: caches, and a heap with its holes.
async function warmUp() {
  await roomForAll(cluster, CONFIGMAPS, 200, 20000); // 4 MB to list
  const sessions = Array.from({length: 20}, () => http2.connect(url, {ca: cluster.ca}));
  for (let round = 0; round < 3; round++) {
    await Promise.all(sessions.map(s => Promise.all(Array.from({length: 3}, () => ask(s, token, 'GET', CONFIGMAPS)))));
  }
  sessions.forEach(s => s.destroy());
}

// The node's memory once it no longer falls.
async function settled(pid) {
  let least = resident(pid);
  for (let quiet = 0; quiet < 6;) {
    await sleep(500);
    const now = resident(pid);
    quiet = now < least * 0.99 ? 0 : quiet + 1;
    least = Math.min(least, now);
  }
  return least;
}

// Sends what chunk(i) gives, as fast as it is taken, on one connection after the other. Resolves to the
// connections.
async function flood(open, chunk) {
  const end = Date.now() + ATTACK_MS, all = [];
  while (Date.now() < end) {
    const c = open();
    all.push(c);
    if (!await c.ready) continue;
    for (let i = 0; c.open && Date.now() < end; i++) {
      if (!c.write(chunk(i, c))) await c.drained();
      else if (i % 16 === 0) await sleep(0);
    }
  }
const goaways = all.map(c => c.goaway?.reason).filter(Boolean);
  await Promise.all(all.map(c => c.close()));
  return goaways;
}

const many = (count, make) => Buffer.concat(Array.from({length: count}, (_, i) => make(i)));

// ---- HTTP/2 ----

const get = () => request('GET', CONFIGMAPS, token);

attack('streams are opened and reset at once (CVE-2023-44487)', async () => {
  const head = get();
  const goaways = await flood(h2, i => many(50, k => {
    const id = 2 * (50 * i + k) + 1;
    return Buffer.concat([frame(types.HEADERS, flags.END_HEADERS | flags.END_STREAM, id, head),
                          frame(types.RST_STREAM, 0, id, u32(8))]);
  }));
  assert.ok(goaways.includes('too_many_resets'), goaways);
});

attack('streams that the server is made to reset', async () => {
  const head = get();
  const goaways = await flood(h2, i => many(50, k => {
    const id = 2 * (50 * i + k) + 1;
    return Buffer.concat([frame(types.HEADERS, flags.END_HEADERS, id, head),
                          frame(types.WINDOW_UPDATE, 0, id, u32(0x7fffffff))]);
  }));
  assert.ok(goaways.includes('too_many_resets'), goaways);
});

attack('CONTINUATION without end (CVE-2024-27316)', async () => {
  const piece = frame(types.CONTINUATION, 0, 1, block([['x-more', 'y'.repeat(100)]]));
  await flood(h2, i => i === 0 ? frame(types.HEADERS, flags.END_STREAM, 1, get()) : many(50, () => piece));
});

for (const [what, make, reason] of [
  ['SETTINGS', () => frame(types.SETTINGS, 0, 0, Buffer.concat([Buffer.from([0, 4]), u32(65535)])), 'too_many_frames'],
  ['PING', () => frame(types.PING, 0, 0, Buffer.alloc(8)), 'too_many_pings'],
  ['PRIORITY', () => frame(types.PRIORITY, 0, 3, Buffer.alloc(5)), 'too_many_frames'],
  ['WINDOW_UPDATE of a byte', () => frame(types.WINDOW_UPDATE, 0, 0, u32(1)), 'too_many_frames'],
]) {
  attack(`${what} frames`, async () => {
    const chunk = many(100, make);
    const goaways = await flood(h2, () => chunk);
    assert.ok(goaways.includes(reason), goaways);
  });
}

attack('empty DATA frames', async () => {
  const chunk = many(100, () => frame(types.DATA, 0, 1));
  const goaways = await flood(h2, i => i === 0 ?
      frame(types.HEADERS, flags.END_HEADERS, 1, request('POST', CONFIGMAPS, token)) : chunk);
  assert.ok(goaways.includes('too_many_frames'), goaways);
});

attack('header lists that grow as they are read', async () => {
  const grow = Buffer.concat([get(), Buffer.from([0x40, 1, 0x78, 0x7f, 0x81, 0x1e]), Buffer.alloc(4000, 'v'),
                              Buffer.alloc(10000, 0xbe)]);
  const goaways = await flood(h2, i => frame(types.HEADERS, flags.END_HEADERS | flags.END_STREAM, 2 * i + 1, grow));
  assert.ok(goaways.includes('too_large_heads'), goaways);
});

attack('many streams that never end', async () => {
  const head = request('POST', CONFIGMAPS, token);
  const clients = Array.from({length: 8}, () => h2());
  for (const c of clients) {
    await c.ready;
    for (let i = 0; i < 200; i++) c.send(types.HEADERS, flags.END_HEADERS, 2 * i + 1, head);
  }
  await sleep(ATTACK_MS);
  const m = await neighbour.metrics();
  assert.ok(m.choreod_api_requests <= 104, `${m.choreod_api_requests} requests at a time`);
  await Promise.all(clients.map(c => c.close()));
});

attack('large half bodies on many streams', async () => {
  const head = request('POST', CONFIGMAPS, token);
  const clients = Array.from({length: 4}, () => h2());
  for (const c of clients) {
    await c.ready;
    for (let i = 0; i < 100; i++) c.send(types.HEADERS, flags.END_HEADERS, 2 * i + 1, head);
    for (let round = 0; round < 14; round++) {
      for (let i = 0; i < 100; i++) {
        if (!c.send(types.DATA, 0, 2 * i + 1, Buffer.alloc(16000, ' '))) await c.drained();
      }
    }
  }
  await sleep(ATTACK_MS);
  const m = await neighbour.metrics();
  assert.ok(m.choreod_api_request_bytes <= 33 << 20, `${m.choreod_api_request_bytes} bytes held`);
  await Promise.all(clients.map(c => c.close()));
});

attack('readers that never read', async () => {
  const before = resident(cluster.node('node-1').pid);
  const clients = Array.from({length: 4}, () => h2({first: [[settings.INITIAL_WINDOW_SIZE, 0]]}));
  for (const c of clients) {
    await c.ready;
    for (let i = 0; i < 200; i++) {
      c.send(types.HEADERS, flags.END_HEADERS | flags.END_STREAM, 2 * i + 1, get());
    }
  }
  await sleep(ATTACK_MS);
  const grown = resident(cluster.node('node-1').pid) - before;
  assert.ok(grown < 100 * (1 << 20), `100 lists that nobody reads take ${grown >> 20} MB`);
  await Promise.all(clients.map(c => c.close()));
});

// ---- HTTP/1 ----

attack('heads that come byte by byte, on all connections that there are', async () => {
  const clients = Array.from({length: 450}, () => h1());
  await Promise.all(clients.map(c => c.ready));
  for (let i = 0; i < 5; i++) {
    for (const c of clients) c.write(i === 0 ? 'GET / HTTP/1.1\r\n' : 'x: y\r\n');
    await sleep(ATTACK_MS / 5);
  }
  const m = await neighbour.metrics();
  assert.ok(m.choreod_http_connections <= 404, `${m.choreod_http_connections} connections`);
  assert.ok(m.choreod_http_connections_refused_total > 0);
  await Promise.all(clients.map(c => c.close()));
});

attack('bodies that come byte by byte', async () => {
  const clients = Array.from({length: 150}, () => h1());
  await Promise.all(clients.map(c => c.ready));
  const head = `POST ${CONFIGMAPS} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer ${token}\r\nContent-Length: 100000\r\n\r\n`;
  for (let i = 0; i < 10; i++) {
    for (const c of clients) c.write(i === 0 ? head : ' ');
    await sleep(ATTACK_MS / 10);
  }
  const m = await neighbour.metrics();
  assert.ok(m.choreod_api_requests <= 104, `${m.choreod_api_requests} requests at a time`);
  await Promise.all(clients.map(c => c.close()));
});

const h1Head = (method, target, more = '') =>
  `${method} ${target} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer ${token}\r\n${more}\r\n`;

attack('trailers without end', () => flood(h1, i => i === 0 ?
  h1Head('POST', CONFIGMAPS, 'Transfer-Encoding: chunked\r\n') + '1\r\n \r\n0\r\n' : 'a: b\r\n'.repeat(200)));

attack('chunks of one byte with long extensions', () => flood(h1, i => i === 0 ?
  h1Head('POST', CONFIGMAPS, 'Transfer-Encoding: chunked\r\n') : `1;${'x'.repeat(10000)}\r\n \r\n`));

attack('pipelined requests whose answers nobody reads', async () => {
  const chunk = h1Head('GET', CONFIGMAPS).repeat(100);
  await flood(() => { const c = h1(); c.socket.pause(); return c; }, () => chunk);
});

attack('request lines of a megabyte', () =>
  flood(h1, i => i === 0 ? 'GET /' : 'a'.repeat(100000)));

attack('rubbish instead of TLS', async () => {
  const net = require('node:net');
  const {hostname, port} = new URL(url);
  const sockets = Array.from({length: 300}, () => {
    const s = net.connect(port, hostname);
    s.on('error', () => {});
    s.write(Buffer.alloc(2000, 0x16));
    return s;
  });
  await sleep(ATTACK_MS);
  sockets.forEach(s => s.destroy());
});

// ---- what is in the requests ----

// Sends bodies by twenty requests at a time for a while. Resolves to {status: count}.
async function requests(make) {
  // Twenty bodies of a megabyte are more than Node has a session hold (10 MB): then it resets streams itself.
  const session = http2.connect(url, {ca: cluster.ca, maxSessionMemory: 200});
  session.on('error', () => {});
  const statuses = {}, end = Date.now() + ATTACK_MS;
  const one = async i => {
    while (Date.now() < end && !session.destroyed) {
      const {method = 'POST', target = CONFIGMAPS, type = 'application/json', body = '', headers = {}} = make(i++);
      const stream = session.request({':method': method, ':path': target, 'content-type': type,
                                      authorization: `Bearer ${token}`, ...headers}, {endStream: !body});
      const status = await new Promise(resolve => {
        stream.on('response', h => resolve(h[':status']));
        stream.on('error', () => resolve('reset'));
        stream.on('close', () => resolve('closed'));
        stream.resume();
        if (body) stream.end(body);
      });
      statuses[status] = (statuses[status] || 0) + 1;
      if (status !== 'closed' && !stream.closed) await new Promise(resolve => stream.once('close', resolve));
    }
  };
  await Promise.all(Array.from({length: 20}, (_, i) => one(1000 * i)));
  session.destroy();
  return statuses;
}

function only(statuses, ...allowed) {
  assert.ok(Object.keys(statuses).length > 0);
  for (const status of Object.keys(statuses)) {
    assert.ok(allowed.includes(Number(status)), `unexpected answers: ${JSON.stringify(statuses)}`);
  }
}

attack('JSON that nests', async () => only(await requests(() => ({body: '['.repeat(1000000)})), 400, 429));
attack('JSON of empty objects', async () =>
  only(await requests(() => ({body: `[${'{},'.repeat(400000)}{}]`})), 400, 413, 429));
attack('JSON of giant numbers', async () => only(await requests(() => ({body: `{"a":${'9'.repeat(1000000)}}`})), 400, 429));
attack('JSON of many keys', async () => only(await requests(() => ({
  body: `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"keys"},"data":{${
    Array.from({length: 20000}, (_, i) => `"k${i}":""`)}}}`})), 201, 409, 413, 422, 429));
attack('YAML whose aliases double', async () => {
  const lines = ['a0: &a0 [x,x,x,x,x,x,x,x,x,x]'];
  for (let i = 1; i < 12; i++) lines.push(`a${i}: &a${i} [${Array(10).fill(`*a${i - 1}`)}]`);
  only(await requests(() => ({type: 'application/yaml', body: lines.join('\n')})), 400, 413, 429);
});
attack('patches that double', async () => {
  const patch = [{op: 'add', path: '/data/x', value: 'y'.repeat(10000)}];
  for (let i = 0; i < 40; i++) patch.push({op: 'copy', from: '/data', path: `/data/d${i}`});
  only(await requests(() => ({method: 'PATCH', target: `${CONFIGMAPS}/room-0`, type: 'application/json-patch+json',
    body: JSON.stringify(patch)})), 400, 413, 422, 429);
});
attack('patches that test huge values', async () => {
  const value = Object.fromEntries(Array.from({length: 2000}, (_, i) => [`k${i}`, 'v']));
  const patch = Array.from({length: 20}, () => ({op: 'test', path: '/data', value}));
  only(await requests(() => ({method: 'PATCH', target: `${CONFIGMAPS}/room-0`, type: 'application/json-patch+json',
    body: JSON.stringify(patch)})), 400, 413, 422, 429);
});
attack('selectors and pages of rubbish', async () => {
  const targets = ['labelSelector=' + encodeURIComponent('a in (' + 'b,'.repeat(6000) + 'c)'),
                   'labelSelector=' + 'a,'.repeat(5000), 'fieldSelector=' + 'metadata.name!=a,'.repeat(300),
                   'limit=99999999999999999999', 'limit=-1', 'continue=' + 'A'.repeat(5000),
                   'resourceVersion=' + '9'.repeat(18), 'timeoutSeconds=1e99&watch=1&resourceVersion=x'];
  const statuses = await requests(i => ({method: 'GET', target: `${CONFIGMAPS}?${targets[i % targets.length]}`}));
  only(statuses, 200, 400, 422, 429, 504); // 504: a version that is yet to come
});
attack('gRPC messages that are bombs', async () => {
  const packed = zlib.gzipSync(Buffer.alloc(64 << 20));
  const message = Buffer.concat([Buffer.from([1]), u32(packed.length), packed]);
  only(await requests(() => ({target: '/choreo.v1.ResourceService/Create', type: 'application/grpc', body: message,
    headers: {te: 'trailers', 'grpc-encoding': 'gzip'}})), 200);
});
attack('more requests than one may have', async () => {
  const statuses = {};
  const sessions = Array.from({length: 4}, () => http2.connect(url, {ca: cluster.ca}));
  await Promise.all(sessions.map(session => Promise.all(Array.from({length: 100}, async () => {
    const stream = session.request({':path': `${CONFIGMAPS}?watch=true`, authorization: `Bearer ${token}`});
    const headers = await new Promise((resolve, reject) => { stream.on('response', resolve); stream.on('error', reject); });
    statuses[headers[':status']] = (statuses[headers[':status']] || 0) + 1;
    if (headers[':status'] === 429) assert.equal(headers['retry-after'], '1');
  }))));
  await sleep(ATTACK_MS);
  assert.deepEqual(statuses, {200: 100, 429: 300});
  sessions.forEach(s => s.destroy());
});

test('afterwards there is the memory of before', {timeout: 60000}, async () => {
  try {
    const now = await settled(cluster.node('node-1').pid);
    const mb = n => (n / (1 << 20)).toFixed(1);
    console.log(`memory: ${mb(memoryBefore)} MB before, ${mb(now)} MB after all`);
    assert.ok(now <= memoryBefore * (1 + MORE_PART) + (MORE_MB << 20), `${mb(now)} MB, before ${mb(memoryBefore)} MB`);
  } catch (error) {
    failed = true;
    throw error;
  }
});
