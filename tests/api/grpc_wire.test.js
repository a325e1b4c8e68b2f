// gRPC's wire, as @grpc/grpc-js and bare HTTP/2 see it: packing, keepalive, deadlines, cancellation.
'use strict';

const {test, before, after} = require('node:test');
const assert = require('node:assert/strict');
const http2 = require('node:http2');
const zlib = require('node:zlib');
const {start, until, sleep} = require('../lib/cluster.js');
const {grpc, proto, client, json, parse, details} = require('../lib/grpc.js');
const {ask} = require('../lib/neighbour.js');

let cluster, url, failed = false;

before(async () => {
  cluster = await start({nodes: 1, shards: 1});
  url = cluster.dev.nodes[0].api;
}, {timeout: 60000});
after(async () => assert.equal(await cluster.stop(failed), 0));

const check = (name, run) => test(name, {timeout: 30000}, async () => {
  try { await run(); } catch (error) { failed = true; throw error; }
});

// A client with channel options, and its unary calls.
function withOptions(options) {
  const stub = new proto.choreo.v1.ResourceService(new URL(url).host, grpc.credentials.createSsl(cluster.ca), options);
  const metadata = new grpc.Metadata();
  metadata.set('authorization', `Bearer ${cluster.dev.token}`);
  const call = (method, request, more = {}) => new Promise((resolve, reject) =>
    stub[method](request, metadata, {deadline: Date.now() + 10000, ...more}, (e, r) => e ? reject(e) : resolve(r)));
  return {stub, metadata, call, close: () => stub.close()};
}

// A call in bare HTTP/2: {headers, trailers, messages: [[flag, bytes]]}.
function bare(method, body, headers = {}) {
  const session = http2.connect(url, {ca: cluster.ca});
  return new Promise((resolve, reject) => {
    const stream = session.request({':method': 'POST', ':path': `/choreo.v1.ResourceService/${method}`, te: 'trailers',
      'content-type': 'application/grpc', authorization: `Bearer ${cluster.dev.token}`, ...headers});
    const answer = {messages: []};
    let data = Buffer.alloc(0);
    stream.on('response', h => { answer.headers = h; });
    stream.on('trailers', t => { answer.trailers = t; });
    stream.on('data', d => { data = Buffer.concat([data, d]); });
    stream.on('error', reject);
    stream.on('close', () => {
      while (data.length >= 5) {
        answer.messages.push([data[0], data.subarray(5, 5 + data.readUInt32BE(1))]);
        data = data.subarray(5 + data.readUInt32BE(1));
      }
      session.close();
      resolve(answer);
    });
    stream.end(body);
  });
}
const framed = (flag, bytes) => { const b = Buffer.alloc(5); b[0] = flag; b.writeUInt32BE(bytes.length, 1); return Buffer.concat([b, bytes]); };
const watches = async session => Number(/^choreod_api_watches (\d+)$/m.exec(
    (await ask(session, cluster.dev.token, 'GET', '/metrics')).body)[1]);

check('gzip goes both ways', async () => {
  const packing = withOptions({'grpc.default_compression_algorithm': 2});
  const data = {text: 'a platform '.repeat(20000)};
  await packing.call('Create', {object: json({apiVersion: 'v1', kind: 'ConfigMap', metadata: {name: 'packed', namespace: 'default'}, data})});
  const ref = {resource: 'configmaps', namespace: 'default', name: 'packed'};
  const read = await packing.call('Get', {ref, form: 'FORM_JSON'});
  assert.deepEqual(parse(read.object).data, data);
  packing.close();

  const request = Buffer.from(''); // Kinds
  const accepts = {'grpc-encoding': 'gzip', 'grpc-accept-encoding': 'identity,gzip'};
  const packed = await bare('Kinds', framed(1, zlib.gzipSync(request)), accepts);
  assert.equal(packed.trailers['grpc-status'], '0');
  assert.equal(packed.headers['grpc-encoding'], 'gzip');
  assert.equal(packed.messages[0][0], 1);
  const plain = await bare('Kinds', framed(0, request));
  assert.deepEqual(zlib.gunzipSync(packed.messages[0][1]), plain.messages[0][1]);
});

check('an encoding that is not known here is UNIMPLEMENTED, and what is known is told', async () => {
  const {headers, trailers} = await bare('Kinds', framed(1, Buffer.from('')), {'grpc-encoding': 'snappy'});
  assert.equal(trailers['grpc-status'], String(grpc.status.UNIMPLEMENTED));
  assert.equal(headers['grpc-accept-encoding'], 'identity,gzip');
});

check('a message that is too large unpacked is RESOURCE_EXHAUSTED', async () => {
  const {trailers} = await bare('Create', framed(1, zlib.gzipSync(Buffer.alloc(64 << 20))), {'grpc-encoding': 'gzip'});
  assert.equal(trailers['grpc-status'], String(grpc.status.RESOURCE_EXHAUSTED));
  assert.match(decodeURIComponent(trailers['grpc-message']), /larger than 4194304 bytes/);
});

check('too many pings end the connection as gRPC servers say it', async () => {
  const session = http2.connect(url, {ca: cluster.ca});
  session.on('error', () => {});
  const goaway = new Promise(resolve => session.once('goaway', (code, last, data) => resolve({code, data: data.toString()})));
  await new Promise(resolve => session.once('connect', resolve));
  const pong = () => new Promise(resolve => session.ping(error => resolve(error === null)));
  assert.ok(await pong());
  for (let i = 0; i < 5 && !session.destroyed; i++) session.ping(() => {});
  assert.deepEqual(await goaway, {code: 11, data: 'too_many_pings'});
  session.destroy();
});

check('a client that is told so slows down and goes on', async () => {
  const eager = withOptions({'grpc.keepalive_time_ms': 300, 'grpc.keepalive_permit_without_calls': 1});
  const end = Date.now() + 4000;
  for (let calls = 0; Date.now() < end; calls++) {
    await eager.call('Kinds', {}, {waitForReady: true}).catch(error => {
      // The call that was under way when the connection ended.
      assert.ok([grpc.status.UNAVAILABLE, grpc.status.RESOURCE_EXHAUSTED].includes(error.code), error.message);
    });
    await sleep(1200);
  }
  await until('a call that is answered', () => eager.call('Kinds', {}, {waitForReady: true}));
  eager.close();
});

check('a deadline ends a watch, and the work behind it', async () => {
  const session = http2.connect(url, {ca: cluster.ca}), c = client(proto.choreo.v1.ResourceService, cluster);
  const stream = c.stub.Watch({ref: {resource: 'configmaps'}}, c.metadata(), {deadline: Date.now() + 700});
  stream.on('data', () => {});
  const error = new Promise(resolve => stream.on('error', resolve));
  await until('the watch', async () => await watches(session) === 1);
  assert.equal((await error).code, grpc.status.DEADLINE_EXCEEDED);
  await until('the end of its work', async () => await watches(session) === 0);
  c.close();
  session.destroy();
});

check('cancelled calls leave nothing behind', async () => {
  const session = http2.connect(url, {ca: cluster.ca}), c = client(proto.choreo.v1.ResourceService, cluster);
  const streams = Array.from({length: 100}, () => {
    const stream = c.stub.Watch({ref: {resource: 'configmaps'}}, c.metadata());
    stream.on('data', () => {});
    stream.on('error', () => {});
    return stream;
  });
  await until('the watches', async () => await watches(session) === 100);
  streams.forEach(s => s.cancel());
  await until('none', async () => await watches(session) === 0);
  c.close();
  session.destroy();
});

check('the request says which of its fields is wrong', async () => {
  const c = client(proto.choreo.v1.ResourceService, cluster), admin = client(proto.choreo.v1.ClusterService, cluster);
  const field = promise => promise.then(() => assert.fail('it was taken'), error => {
    assert.equal(error.code, grpc.status.INVALID_ARGUMENT);
    return details(error)['google.rpc.BadRequest'].field_violations[0].field;
  });
  assert.equal(await field(c.call('Get', {ref: {resource: 'configmaps'}})), 'ref.name');
  assert.equal(await field(c.call('List', {ref: {resource: 'configmaps'}, label_selector: 'a in'})), 'label_selector');
  assert.equal(await field(admin.call('TransferLeader', {})), 'shard');
  assert.equal(await field(admin.call('CreateToken', {purpose: 'USER'})), 'user');
  c.close();
  admin.close();
});
