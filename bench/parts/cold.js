// cold.js: very many components at once: everybody's manifests applied to a new platform.
//
// Twenty tenants, so that every leader has some; from the first Component sent to the last Deployment on
// the simulated cluster. What a component costs in memory is what the largest node has grown by.
'use strict';

const {until} = require('../../tests/lib/cluster.js');
const {connection, planeConnection, each, makeNamespace, must} = require('../lib/http.js');
const {nodesRss, nowMs} = require('../lib/stats.js');
const {applySamples, component, mutations} = require('../lib/platform.js');

const TENANTS = 20;
const collection = n => `/apis/choreo.dev/v1/namespaces/cold-${n % TENANTS}/components`;

module.exports = {
  name: 'cold', cluster: 'driving', figures: ['cold_start_ms', 'cold_component_kb'],
  async run(bench) {
    const cluster = await bench.cluster(this);
    applySamples(cluster);
    const http = connection(cluster);
    const plane = planeConnection(cluster);
    const count = bench.quick ? 500 : 10000;
    for (let n = 0; n < TENANTS; n++) await makeNamespace(http, `cold-${n}`);
    let seq = (await mutations(plane)).at(-1)?.seq || 0;
    const before = nodesRss(cluster), began = nowMs();
    const live = new Set();
    const done = until('every Deployment', async () => {
      for (const m of await mutations(plane, seq)) {
        seq = m.seq;
        if (m.resource.startsWith('deployments') && /^cold-\d+/.test(m.name)) live.add(m.name);
      }
      return live.size >= count;
    }, 1200000);
    await each(count, 64, n => must(http.request('POST', collection(n), component(`cold-${n}`)), 201));
    await done;
    bench.report.record('cold_start_ms', nowMs() - began, 'ms');
    const after = nodesRss(cluster);
    const most = Math.max(...after.map((rss, i) => rss - before[i]));
    bench.report.record('cold_component_kb', 1024 * Math.max(0, most) / count, 'KB');
    http.close();
    plane.close();
  },
};
