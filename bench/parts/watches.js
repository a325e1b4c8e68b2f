// watches.js: from a write sent to its event received, one writer, one watcher.
//
// Over REST as kube-apiserver is asked (watch_*), and over gRPC by the same client library for us and
// for etcd (grpc_watch_*). Writer and watcher are at the node that leads; elsewhere an event comes as much
// later as the news of a commit takes.
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
  }
  async run(count, write) {
    for (let i = 0; i < count; i++) {
      const name = `watch-${i}`;
      this.sent.set(name, nowMs());
      await write(name);
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

async function overGrpc(cluster, count) {
  const {node} = await place(cluster, 'watched-grpc');
  const resources = grpc.client(grpc.proto.choreo.v1.ResourceService, cluster, {node});
  const stopwatch = new Stopwatch();
  const ref = {version: 'v1', resource: 'configmaps', namespace: 'watched-grpc'};
  const watch = resources.stub.Watch({ref, form: 'FORM_JSON'}, resources.metadata());
  const synced = new Promise((resolve, reject) => {
    watch.on('error', reject);
    watch.on('data', event => {
      if (event.type === 'SYNCED') resolve();
      if (event.object) stopwatch.saw(grpc.parse(event.object).metadata.name);
    });
  });
  await synced;
  const latencies = await stopwatch.run(count, name => {
    const object = configMap(name);
    object.metadata.namespace = ref.namespace;
    return resources.call('Create', {ref, object: grpc.json(object), form: 'FORM_JSON'});
  });
  watch.on('error', () => {});
  watch.cancel();
  resources.close();
  return latencies;
}

async function overEtcd(etcd, count) {
  const member = await etcd.leader();
  const stopwatch = new Stopwatch();
  const watch = member.client.watch();
  const created = new Promise((resolve, reject) => {
    watch.on('error', reject);
    watch.on('data', response => {
      if (response.created) resolve();
      for (const event of response.events) stopwatch.saw(event.kv.key.toString());
    });
  });
  watch.write({create_request: {key: Buffer.from('watch-'), range_end: Buffer.from('watch.')}});
  await created;
  const value = JSON.stringify(configMap('watched'));
  const latencies = await stopwatch.run(count, name => etcd.put(member, name, value));
  watch.on('error', () => {});
  watch.cancel();
  return latencies;
}

module.exports = {
  name: 'watches', cluster: 'plain', peer: true,
  figures: ['watch_p50_ms', 'watch_p99_ms', 'grpc_watch_p50_ms', 'grpc_watch_p99_ms'],
  async run(bench) {
    const cluster = await bench.cluster(this);
    const etcd = await bench.etcd();
    const count = bench.quick ? 60 : 300;
    bench.report.latency('watch', await overRest(cluster, count));
    bench.report.latency('grpc_watch', await overGrpc(cluster, count), etcd ? await overEtcd(etcd, count) : []);
  },
};
