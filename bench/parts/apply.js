// apply.js: server-side applies a second, 16 under way, managed fields and all: the first of each
// object, one that changes it, and one that changes nothing.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const {connection, configMap, makeNamespace, must} = require('../lib/http.js');
const {h2load} = require('../lib/h2load.js');
const {shardOfCollection, home} = require('../lib/shards.js');

module.exports = {
  name: 'apply', cluster: 'plain',
  figures: ['apply_create_16', 'apply_change_16', 'apply_unchanged_16'],
  async run(bench) {
    const cluster = await bench.cluster(this);
    const http = connection(cluster);
    const where = await makeNamespace(http, 'applied');
    const node = await home(cluster, await shardOfCollection(http, where, configMap('other')));
    const count = bench.quick ? 500 : 3000;
    const apply = (round, fill) => {
      const urls = path.join(cluster.dir, 'apply.urls');
      fs.writeFileSync(urls, Array.from({length: count}, (_, i) =>
        `${node.api}${where}/apply-${round}-${i}?fieldManager=bench&force=true\n`).join(''));
      const body = path.join(cluster.dir, 'apply.json');
      const {metadata, ...rest} = configMap('', fill); // its name is in the path
      fs.writeFileSync(body, JSON.stringify({...rest, metadata: {labels: {fill}}}));
      return h2load({urls, body, count, streams: 16, headers: {':method': 'PATCH',
        authorization: `Bearer ${cluster.dev.token}`, 'content-type': 'application/apply-patch+yaml'}});
    };
    const rates = {create: [], change: [], unchanged: []};
    for (let round = 0; round < bench.rounds; round++) {
      rates.create.push(await apply(round, 'x'));
      rates.change.push(await apply(round, 'y'));
      rates.unchanged.push(await apply(round, 'y'));
    }
    const last = JSON.parse((await must(http.request('GET', `${where}/apply-0-${count - 1}`), 200)).body);
    if (last.metadata.labels.fill !== 'y' || last.metadata.managedFields.length !== 1) {
      throw new Error(`an apply was lost: ${JSON.stringify(last.metadata)}`);
    }
    for (const [name, list] of Object.entries(rates)) bench.report.rate(`apply_${name}_16`, list);
    http.close();
  },
};
