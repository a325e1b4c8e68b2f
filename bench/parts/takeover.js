// takeover.js: SIGKILL to a shard's leader -> the new leader's first apply on a data plane.
//
// One Component is created right before the kill, acknowledged, and one is asked for right after it, so
// there is work for whoever takes over. The plane records each mutation with its time and the epoch in
// which it was sent; the first one of a later term than the victim's ends the measurement. Both clocks
// are this machine's, in whole milliseconds.
'use strict';

const {sleep, until} = require('../../tests/lib/cluster.js');
const {connection, planeConnection, must} = require('../lib/http.js');
const {applySamples, components, component, mutations, epochOf} = require('../lib/platform.js');
const {leaders, shardOf} = require('../lib/shards.js');

// Everything that was created before is on the cluster.
async function settle(plane, name) {
  let seq = 0;
  await until(`a Deployment of ${name}`, async () => {
    const fresh = await mutations(plane, seq);
    seq = fresh.at(-1)?.seq || seq;
    return fresh.some(m => m.resource.startsWith('deployments') && m.name.startsWith(name));
  }, 60000);
}

async function round(cluster, plane, number) {
  const probe = connection(cluster);
  const made = JSON.parse((await must(probe.request('POST', components, component(`settled-${number}`)), 201)).body);
  probe.close();
  await settle(plane, `settled-${number}`);
  const shard = shardOf(made);
  const victim = (await leaders(cluster))[shard];
  const survivor = connection(cluster, cluster.dev.nodes.findIndex(n => n.name !== victim));
  const before = await mutations(plane);
  const ours = m => m.epoch !== '' && epochOf(m).shard === shard;
  const term = Math.max(...before.filter(ours).map(m => epochOf(m).term));
  await must(survivor.request('POST', components, component(`before-${number}`)), 201);
  const killed = Date.now();
  await cluster.kill(victim);
  const after = survivor.request('POST', components, component(`after-${number}`)).catch(() => {});
  const first = await until('an apply of the new leader', async () =>
    (await mutations(plane, before.at(-1).seq)).find(m => ours(m) && epochOf(m).term > term), 60000);
  await after;
  survivor.close();
  await sleep(300);
  await cluster.restart(victim);
  await sleep(1500);
  return first.time - killed;
}

module.exports = {
  name: 'takeover', cluster: 'driving', figures: ['kill_to_apply_p50_ms', 'kill_to_apply_p99_ms', 'kill_to_apply_max_ms'],
  async run(bench) {
    const cluster = await bench.cluster(this);
    applySamples(cluster);
    const plane = planeConnection(cluster);
    const took = [];
    for (let i = 0; i < (bench.quick ? 4 : 20); i++) took.push(await round(cluster, plane, i));
    bench.report.latency('kill_to_apply', took, [], {max: true});
    plane.close();
  },
};
