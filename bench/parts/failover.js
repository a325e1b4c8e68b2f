// failover.js: SIGKILL to a leader -> the next acknowledged write, for us and for etcd in turn.
//
// The victim is the leader that the writes need. Both are asked over gRPC, each survivor through one
// connection that is open before, so that no handshakes are part of the figure. Each round waits until everybody is back. etcd runs
// with its default timing, as we do with ours.
'use strict';

const {sleep} = require('../../tests/lib/cluster.js');
const grpc = require('../../tests/lib/grpc.js');
const {connection, configMap, configMapsOf} = require('../lib/http.js');
const {firstAcknowledged} = require('../lib/probe.js');
const {nowMs} = require('../lib/stats.js');
const {shardOfCollection, leaders} = require('../lib/shards.js');

const collection = configMapsOf('default');

async function leaderOfDefault(cluster, round) {
  const http = connection(cluster);
  const shard = await shardOfCollection(http, collection, configMap(`before-${round}`));
  http.close();
  return (await leaders(cluster))[shard];
}

function create(client, name) {
  const object = configMap(name);
  object.metadata.namespace = 'default';
  return client.call('Create', {object: grpc.json(object), form: 'FORM_METADATA'});
}

async function killOurs(cluster, round) {
  const victim = await leaderOfDefault(cluster, round);
  const survivors = cluster.dev.nodes.flatMap((n, node) =>
    n.name === victim ? [] : [grpc.client(grpc.proto.choreo.v1.ResourceService, cluster, {node})]);
  await Promise.all(survivors.map((s, i) => create(s, `open-${round}-${i}`)));
  const began = nowMs();
  await cluster.kill(victim);
  const took = await firstAcknowledged(
      n => create(survivors[n % survivors.length], `kill-${round}-${n}`), began);
  survivors.forEach(s => s.close());
  await sleep(300);
  await cluster.restart(victim);
  await sleep(1500);
  return took;
}

async function killEtcd(etcd) {
  const victim = await etcd.leader();
  const survivors = etcd.members.filter(m => m !== victim);
  const value = JSON.stringify(configMap('kill'));
  await Promise.all(survivors.map(m => etcd.put(m, 'kill', value)));
  const began = nowMs();
  etcd.kill(victim);
  const took = await firstAcknowledged(n => etcd.put(survivors[n % survivors.length], `kill-${n}`, value), began);
  await sleep(300);
  await etcd.restart(victim);
  await sleep(1000);
  return took;
}

module.exports = {
  name: 'failover', cluster: 'plain', peer: true, figures: ['leader_kill_p50_ms', 'leader_kill_p99_ms', 'leader_kill_max_ms'],
  async run(bench) {
    const cluster = await bench.cluster(this);
    const etcd = await bench.etcd();
    const ours = [], theirs = [];
    for (let round = 0; round < (bench.quick ? 4 : 20); round++) {
      ours.push(await killOurs(cluster, round));
      if (etcd && round < (bench.quick ? 4 : 12)) theirs.push(await killEtcd(etcd));
    }
    bench.report.latency('leader_kill', ours, theirs, {max: true});
  },
};
