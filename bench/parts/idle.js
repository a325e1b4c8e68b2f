// idle.js: memory of nodes, and of etcd's members, that have nothing to do yet.
'use strict';

const {sleep} = require('../../tests/lib/cluster.js');
const {nodesRss, rssMb, sum} = require('../lib/stats.js');

module.exports = {
  name: 'idle', cluster: 'plain', peer: true, figures: ['rss_empty_mb', 'rss_empty_three_mb'],
  async run(bench) {
    const cluster = await bench.cluster(this);
    const etcd = await bench.etcd();
    await sleep(5000);
    const ours = nodesRss(cluster);
    const theirs = etcd ? etcd.members.map(m => rssMb(m.child.pid)) : [];
    bench.report.record('rss_empty_mb', Math.max(...ours), 'MB', etcd ? Math.max(...theirs) : undefined);
    bench.report.record('rss_empty_three_mb', sum(ours), 'MB', etcd ? sum(theirs) : undefined);
  },
};
