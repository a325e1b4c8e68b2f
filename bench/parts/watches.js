// watches.js: from a write sent to its event received, one writer, one watcher.
//
// Over REST as kube-apiserver is asked (watch_*), and over gRPC by the same client library for us and
// for etcd (grpc_watch_*). Writer and watcher are at the node that leads, where each write follows the one
// before; then the watcher is at another (grpc_watch_far_*), where an event comes as much later as the news
// of a commit takes, which no further write brings: each waits until the one before was seen. Last
// (grpc_read_far_*), what was written at the leader is read at the other node, linearizably.
'use strict';

const https = require('node:https');
const {until} = require('../../tests/lib/cluster.js');
const grpc = require('../../tests/lib/grpc.js');
const {connection, configMap, makeNamespace, must} = require('../lib/http.js');
const {shardOfCollection, home} = require('../lib/shards.js');
const {nowMs} = require('../lib/stats.js');

// Writes name after name, each once the one before was acknowledged; saw(name) is for the watcher.
class Stopwatch {
  constructor() {
    this.sent = new Map();
    this.latencies = [];
  }
  saw(name) {
    if (this.sent.has(name)) this.latencies.push(nowMs() - this.sent.get(name));
    this.sent.delete(name);
    this.tell?.();
  }
  async seen(name) {
    while (this.sent.has(name)) await new Promise(resolve => { this.tell = resolve; });
  }
  async run(count, write, apart = false) {
    for (let i = 0; i < count; i++) {
      const name = `watch-${i}`;
      this.sent.set(name, nowMs());
      await write(name);
      if (apart) await this.seen(name);
    }
    await until('the last event', () => this.sent.size === 0);
    return this.latencies;
  }
}

// A namespace of that name, and the place of the node that leads its shard.
async function place(cluster, namespace) {
  const http = connection(cluster);
  const where = await makeNamespace(http, namespace);
  const node = await home(cluster, await shardOfCollection(http, where, configMap('first')));
  http.close();
  return {where, node: cluster.dev.nodes.indexOf(node)};
}

async function overRest(cluster, count) {
  const {where, node} = await place(cluster, 'watched');
  const http = connection(cluster, node);
  const stopwatch = new Stopwatch();
  const watch = https.request({ca: cluster.ca, host: http.base.hostname, port: http.base.port,
    path: `${where}?watch=true`, headers: {authorization: `Bearer ${cluster.dev.token}`}});
  watch.end();
  const response = await new Promise((resolve, reject) => { watch.on('response', resolve); watch.on('error', reject); });
  let text = '';
  response.on('data', data => {
    const lines = (text + data).split('\n');
    text = lines.pop();
    for (const line of lines) stopwatch.saw(/"name":"(watch-\d+)"/.exec(line)?.[1]);
  });
  const latencies = await stopwatch.run(count,
      name => must(http.request('POST', where, configMap(name)), 201));
  watch.destroy();
  http.close();
  return latencies;
}

async function overGrpc(cluster, count, far) {
  const namespace = far ? 'watched-far' : 'watched-grpc';
  const {node} = await place(cluster, namespace);
  const writer = grpc.client(grpc.proto.choreo.v1.ResourceService, cluster, {node});
  const reader = grpc.client(grpc.proto.choreo.v1.ResourceService, cluster, {node: far ? (node + 1) % 3 : node});
  const stopwatch = new Stopwatch();
  const ref = {version: 'v1', resource: 'configmaps', namespace};
  const watch = reader.stub.Watch({ref, form: 'FORM_JSON'}, reader.metadata());
  const synced = new Promise((resolve, reject) => {
    watch.on('error', reject);
    watch.on('data', event => {
      if (event.type === 'SYNCED') resolve();
      if (event.object) stopwatch.saw(grpc.parse(event.object).metadata.name);
    });
  });
  await synced;
  const write = name => {
    const object = configMap(name);
    object.metadata.namespace = namespace;
    return writer.call('Create', {ref, object: grpc.json(object), form: 'FORM_JSON'});
  };
  const watched = await stopwatch.run(count, write, far);
  watch.on('error', () => {});
  watch.cancel();
  const read = far ? await readBehind(count, write, name => reader.call('Get', {ref: {...ref, name}, form: 'FORM_JSON'})) : [];
  reader.close();
  writer.close();
  return {watched, read};
}

// How long a read takes that begins when a write has just been acknowledged.
async function readBehind(count, write, read) {
  const latencies = [];
  for (let i = 0; i < count; i++) {
    await write(`read-${i}`);
    const began = nowMs();
    await read(`read-${i}`);
    latencies.push(nowMs() - began);
  }
  return latencies;
}

async function overEtcd(etcd, count, far) {
  const leader = await etcd.leader();
  const reader = far ? etcd.members[(leader.number + 1) % etcd.members.length] : leader;
  const stopwatch = new Stopwatch();
  const watch = reader.client.watch();
  const prefix = far ? 'far-' : '';
  const created = new Promise((resolve, reject) => {
    watch.on('error', reject);
    watch.on('data', response => {
      if (response.created) resolve();
      for (const event of response.events) stopwatch.saw(event.kv.key.toString().slice(prefix.length));
    });
  });
  watch.write({create_request: {key: Buffer.from(`${prefix}watch-`), range_end: Buffer.from(`${prefix}watch.`)}});
  await created;
  const value = JSON.stringify(configMap('watched'));
  const write = name => etcd.put(leader, prefix + name, value);
  const watched = await stopwatch.run(count, write, far);
  watch.on('error', () => {});
  watch.cancel();
  const read = far ? await readBehind(count, write, name => etcd.call(reader, 'range', {key: Buffer.from(prefix + name)})) : [];
  return {watched, read};
}

module.exports = {
  name: 'watches', cluster: 'plain', peer: true,
  figures: ['watch', 'grpc_watch', 'grpc_watch_far', 'grpc_read_far'].flatMap(f => [`${f}_p50_ms`, `${f}_p99_ms`]),
  async run(bench) {
    const cluster = await bench.cluster(this);
    const etcd = await bench.etcd();
    const count = bench.quick ? 60 : 300;
    bench.report.latency('watch', await overRest(cluster, count));
    for (const far of [false, true]) {
      const ours = await overGrpc(cluster, count, far);
      const theirs = etcd ? await overEtcd(etcd, count, far) : {watched: [], read: []};
      bench.report.latency(far ? 'grpc_watch_far' : 'grpc_watch', ours.watched, theirs.watched);
      if (far) bench.report.latency('grpc_read_far', ours.read, theirs.read);
    }
  },
};
