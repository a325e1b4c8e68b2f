// reconcile.js: Components created -> their Deployments on a simulated cluster.
//
// components_live_per_s is the whole path, creates included. applies count every object that the nodes
// put on the cluster meanwhile, by their own metric; per core-second is over the CPU time of the three
// nodes alone. node_component_cpu_ms and plane_component_cpu_ms are what the nodes together, and the
// simulated cluster, spent on a component (user and system): the client has its own beside it.
'use strict';

const {until} = require('../../tests/lib/cluster.js');
const {connection, planeConnection, each, must} = require('../lib/http.js');
const {nodesCpu, nodesRss, planesCpu, nowMs} = require('../lib/stats.js');
const {applySamples, components, component, counter, mutations} = require('../lib/platform.js');

const APPLIES = 'choreod_reconcile_applies_total';

module.exports = {
  name: 'reconcile', cluster: 'driving',
  figures: ['components_live_per_s', 'object_applies_per_s', 'object_applies_per_core_s',
            'node_component_cpu_ms', 'plane_component_cpu_ms', 'rss_reconciled_mb'],
  async run(bench) {
    const cluster = await bench.cluster(this);
    applySamples(cluster);
    const nodes = cluster.dev.nodes.map((_, i) => connection(cluster, i));
    const plane = planeConnection(cluster);
    const count = bench.quick ? 100 : 500;
    // What the samples still bring is not to be counted.
    let quiet;
    await until('the samples to be applied', async () => {
      const now = await counter(nodes, APPLIES);
      const same = now === quiet;
      quiet = now;
      await new Promise(resolve => setTimeout(resolve, 500));
      return same && now > 0;
    }, 60000);
    let seq = (await mutations(plane)).at(-1)?.seq || 0;
    const cpu = nodesCpu(cluster), planeCpu = planesCpu(cluster), begin = nowMs();
    const live = new Set();
    await each(count, 16, n => must(nodes[0].request('POST', components, component(`live-${n}`)), 201));
    await until('every Deployment', async () => {
      for (const m of await mutations(plane, seq)) {
        seq = m.seq;
        if (m.resource.startsWith('deployments') && /^live-\d+/.test(m.name)) live.add(m.name);
      }
      return live.size >= count;
    }, 300000);
    const seconds = (nowMs() - begin) / 1000;
    const spent = nodesCpu(cluster) - cpu, planeSpent = planesCpu(cluster) - planeCpu;
    const applied = await counter(nodes, APPLIES) - quiet;
    bench.report.record('components_live_per_s', count / seconds, '/s');
    bench.report.record('object_applies_per_s', applied / seconds, '/s');
    bench.report.record('object_applies_per_core_s', applied / spent, '/s');
    bench.report.record('node_component_cpu_ms', 1000 * spent / count, 'ms');
    bench.report.record('plane_component_cpu_ms', 1000 * planeSpent / count, 'ms');
    bench.report.record('rss_reconciled_mb', Math.max(...nodesRss(cluster)), 'MB');
    [...nodes, plane].forEach(c => c.close());
  },
};
