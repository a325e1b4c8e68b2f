// loaded.js: memory of nodes, and of etcd's members, after all that was asked of them before.
'use strict';

const {nodesRss, rssMb} = require('../lib/stats.js');

module.exports = {
  name: 'loaded', cluster: 'plain', peer: true, figures: ['rss_loaded_mb'],
  async run(bench) {
    if (!Object.keys(bench.report.results).some(name => name.includes('create_'))) {
      process.stderr.write('rss_loaded_mb needs a load: ask for create_ too\n');
      return;
    }
    const etcd = await bench.etcd();
    bench.report.record('rss_loaded_mb', Math.max(...nodesRss(await bench.cluster(this))), 'MB',
        etcd ? Math.max(...etcd.members.map(m => rssMb(m.child.pid))) : undefined);
  },
};
