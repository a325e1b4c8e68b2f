// tenants.js: what an empty tenant costs: memory of a node, for each of many empty namespaces.
'use strict';

const {sleep} = require('../../tests/lib/cluster.js');
const {connection, each, makeNamespace} = require('../lib/http.js');
const {nodesRss} = require('../lib/stats.js');

module.exports = {
  name: 'tenants', cluster: 'fresh', figures: ['tenant_kb', 'tenants_per_s'],
  async run(bench) {
    const cluster = await bench.cluster(this);
    const http = connection(cluster);
    const count = bench.quick ? 500 : 2000;
    const before = nodesRss(cluster);
    const began = Date.now();
    await each(count, 32, n => makeNamespace(http, `tenant-${n}`));
    bench.report.record('tenants_per_s', count / ((Date.now() - began) / 1000), '/s');
    await sleep(3000); // what follows from a namespace has been made
    const after = nodesRss(cluster);
    const most = Math.max(...after.map((rss, i) => rss - before[i]));
    bench.report.record('tenant_kb', 1024 * Math.max(0, most) / count, 'KB');
    http.close();
  },
};
