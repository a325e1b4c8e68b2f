// lists.js: one list at a time: of a namespace with 1,000 and with 10,000 objects, and of 1,000 objects
// in sixteen namespaces, which lie in several shards and are merged at one version.
'use strict';

const {connection, configMap, each, makeNamespace, must} = require('../lib/http.js');
const {median, nowMs} = require('../lib/stats.js');
const {shardOf} = require('../lib/shards.js');

async function time(http, where, size, samples) {
  const times = [];
  for (let i = 0; i < samples; i++) {
    const begin = nowMs();
    const r = await must(http.request('GET', where), 200);
    times.push(nowMs() - begin);
    if (i === 0 && JSON.parse(r.body).items.length !== size) throw new Error(`${where}: not ${size} objects`);
  }
  return median(times);
}

module.exports = {
  name: 'lists', cluster: 'plain', figures: ['list_1000_ms', 'list_10000_ms', 'list_all_1000_ms'],
  async run({cluster: get, report, quick, wanted}) {
    const http = connection(await get(this));
    const samples = quick ? 5 : 10;
    for (const size of [1000, 10000]) {
      if (!wanted(`list_${size}_ms`) || (quick && size > 1000)) continue;
      const where = await makeNamespace(http, `list-${size}`);
      await each(size, 32, () => must(http.request('POST', where, configMap()), 201));
      report.record(`list_${size}_ms`, await time(http, where, size, samples), 'ms');
    }
    if (wanted('list_all_1000_ms')) {
      // Labelled, because the other parts' objects are of the kind too... but for this one's.
      const shards = new Set();
      const all = '/api/v1/secrets?labelSelector=bench%3Dall';
      await each(16, 16, n => makeNamespace(http, `list-all-${n}`));
      await each(1000, 32, async n => {
        const object = {...configMap(), kind: 'Secret', data: {}, stringData: {text: 'x'.repeat(800)}};
        object.metadata.labels = {bench: 'all'};
        const r = await must(http.request('POST', `/api/v1/namespaces/list-all-${n % 16}/secrets`, object), 201);
        shards.add(shardOf(JSON.parse(r.body)));
      });
      if (shards.size < 2) throw new Error('the namespaces lie in one shard');
      report.record('list_all_1000_ms', await time(http, all, 1000, samples), 'ms');
    }
    http.close();
  },
};
