// fanout.js: many watchers of one kind, each of which is sent every change.
//
// The watchers are HTTP/2 streams, a hundred to a connection, spread over the nodes as clients would
// be. Changes come one after the other from one writer at a steady pace, so the k-th event of a stream
// is the k-th change: the measuring side counts lines and parses nothing. Delivery is from the change's
// request sent to its event read, over all watchers; the client shares the machine's cores.
'use strict';

const http2 = require('node:http2');
const {sleep, until} = require('../../tests/lib/cluster.js');
const {connection, configMap, makeNamespace, must} = require('../lib/http.js');
const {nodesCpu, nodesRss, nowMs, sum} = require('../lib/stats.js');

const STREAMS = 100; // on a connection

function watch(session, where, cluster, sent, latencies) {
  const stream = session.request({':path': `${where}?watch=true`, authorization: `Bearer ${cluster.dev.token}`});
  stream.seen = 0;
  stream.on('data', data => {
    const now = nowMs();
    for (let at = data.indexOf(10); at >= 0; at = data.indexOf(10, at + 1)) {
      latencies.push(now - sent[stream.seen++]);
    }
  });
  stream.on('error', () => {});
  return new Promise((resolve, reject) => {
    stream.once('response', headers => headers[':status'] === 200 ? resolve(stream) : reject(new Error(`watch: ${headers[':status']}`)));
    stream.once('error', reject);
  });
}

module.exports = {
  name: 'fanout', cluster: 'fresh',
  figures: ['fanout_p50_ms', 'fanout_p99_ms', 'fanout_events_per_s', 'fanout_events_per_core_s', 'fanout_watcher_kb'],
  async run(bench) {
    const cluster = await bench.cluster(this);
    const watchers = bench.quick ? 200 : 1000, changes = bench.quick ? 100 : 1000, perSecond = 20;
    const http = connection(cluster);
    const where = await makeNamespace(http, 'fanout');
    const before = sum(nodesRss(cluster));
    const sessions = Array.from({length: Math.ceil(watchers / STREAMS)}, (_, i) =>
      http2.connect(cluster.dev.nodes[i % cluster.dev.nodes.length].api, {ca: cluster.ca}));
    const sent = [], latencies = [], streams = [];
    for (let i = 0; i < watchers; i++) {
      streams.push(await watch(sessions[i % sessions.length], where, cluster, sent, latencies));
    }
    await sleep(500);
    bench.report.record('fanout_watcher_kb', 1024 * Math.max(0, sum(nodesRss(cluster)) - before) / watchers, 'KB');
    const cpu = nodesCpu(cluster), begin = nowMs();
    for (let i = 0; i < changes; i++) {
      const ahead = begin + i * 1000 / perSecond - nowMs();
      if (ahead > 0) await sleep(ahead);
      sent.push(nowMs());
      await must(http.request('POST', where, configMap(`fanout-${i}`)), 201);
    }
    await until('every event', () => streams.every(s => s.seen === changes), 60000);
    const seconds = (nowMs() - begin) / 1000;
    bench.report.latency('fanout', latencies);
    bench.report.record('fanout_events_per_s', latencies.length / seconds, '/s');
    bench.report.record('fanout_events_per_core_s', latencies.length / (nodesCpu(cluster) - cpu), '/s');
    sessions.forEach(s => s.destroy());
    http.close();
  },
};
