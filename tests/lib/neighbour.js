// neighbour.js: a client that behaves, while others do not: reads and writes one object, measures.
'use strict';

const fs = require('node:fs');
const http2 = require('node:http2');
const {Worker, isMainThread, parentPort, workerData} = require('node:worker_threads');
const {sleep} = require('./cluster.js');

const EVERY_MS = 20, LATE_MS = 10000;

// One request on a session: {status, body, ms}.
function ask(session, token, method, target, body, type = 'application/json') {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    const stream = session.request({':method': method, ':path': target, authorization: `Bearer ${token}`,
                                    'content-type': type}, {endStream: body === undefined});
    let status, text = '';
    stream.setTimeout(LATE_MS, () => reject(new Error(`${method} ${target}: no answer within ${LATE_MS} ms`)));
    stream.on('response', headers => { status = headers[':status']; });
    stream.on('data', data => { text += data; });
    stream.on('error', reject);
    stream.on('close', () => status ? resolve({status, body: text, ms: performance.now() - began}) :
      reject(new Error(`${method} ${target}: the stream was reset`)));
    if (body !== undefined) stream.end(JSON.stringify(body));
  });
}

// In a thread of its own, so that what its main thread does to a node does not slow it.
class Neighbour {
  constructor(cluster) {
    this.cluster = cluster;
    this.target = '/api/v1/namespaces/default/configmaps/neighbour';
  }
  async begin() {
    const {cluster, target} = this, url = cluster.dev.nodes[0].api, {token} = cluster.dev;
    const object = {apiVersion: 'v1', kind: 'ConfigMap', metadata: {name: 'neighbour'}, data: {n: '0'}};
    this.session = http2.connect(url, {ca: cluster.ca});
    this.session.on('error', () => {});
    await ask(this.session, token, 'POST', target.replace(/\/[^/]*$/, ''), object);
    this.worker = new Worker(__filename, {workerData: {url, ca: cluster.ca, token, target}});
  }
  // What came since it was last asked: {latencies, errors}, in ms.
  report() {
    this.worker.postMessage('report');
    return new Promise(resolve => this.worker.once('message', resolve));
  }
  // {name: value} of the node's metrics without labels.
  async metrics() {
    const {body} = await ask(this.session, this.cluster.dev.token, 'GET', '/metrics');
    return Object.fromEntries([...body.matchAll(/^(\w+) ([\d.e+-]+)$/gm)].map(m => [m[1], Number(m[2])]));
  }
  async end() {
    await this.worker.terminate();
    this.session.destroy();
  }
}

async function behave({url, ca, token, target}) {
  let latencies = [], errors = [];
  parentPort.on('message', () => { parentPort.postMessage({latencies, errors}); latencies = []; errors = []; });
  const session = http2.connect(url, {ca: Buffer.from(ca)});
  session.on('error', error => errors.push(error.message));
  for (let n = 1;; n++) {
    try {
      const write = n % 4 === 0;
      const {status, ms} = await (write ?
        ask(session, token, 'PATCH', target, {data: {n: String(n)}}, 'application/merge-patch+json') :
        ask(session, token, 'GET', target));
      if (status === 200) latencies.push(ms);
      else errors.push(`${write ? 'PATCH' : 'GET'}: ${status}`);
    } catch (error) {
      errors.push(error.message);
    }
    await sleep(EVERY_MS);
  }
}
if (!isMainThread && workerData?.target) behave(workerData);

// The p-th part of numbers.
function quantile(numbers, p) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))];
}

// Bytes of memory that a process has of its own.
function resident(pid) {
  return 1024 * Number(/^RssAnon:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
}

// So many objects of so many bytes: room-0, room-1, ...
async function roomForAll(cluster, collection, count, bytes) {
  const session = http2.connect(cluster.dev.nodes[0].api, {ca: cluster.ca});
  for (let i = 0; i < count; i += 20) {
    await Promise.all(Array.from({length: Math.min(20, count - i)}, (_, k) => ask(session, cluster.dev.token, 'POST', collection, {
      apiVersion: 'v1', kind: 'ConfigMap', metadata: {name: `room-${i + k}`}, data: {a: 'x'.repeat(bytes)}})));
  }
  session.destroy();
}

module.exports = {Neighbour, ask, quantile, resident, roomForAll};
