// run.js: what choreod does in a second, on this machine, beside what others do.
//
// Every figure is taken through the front door, over TLS, by clients that others wrote (h2load, Node's
// HTTP/1.1 and HTTP/2, @grpc/grpc-js). Rates are medians of rounds; latencies are percentiles over all
// samples. There are two peers:
//
//   etcd            three members on this machine in this run, driven in turn with us, round by round:
//                   the same kind of disk and the same load, so this ratio can be believed anywhere
//   kube-apiserver  figures of baseline.json, taken once on the same kind of machine
//
// lib/ holds the tools, parts/ what is measured: each part names its figures, says which cluster it
// wants, and runs. Parts run in the order below; those of one cluster share it, each in namespaces of
// its own, so that none pays for what another left. What is measured in kilobytes has a fresh one.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const {start} = require('../tests/lib/cluster.js');
const etcd = require('./lib/etcd.js');
const {Report} = require('./lib/report.js');

const parts = ['start', 'idle', 'rates', 'apply', 'lists', 'watches', 'loaded', 'failover',
               'fanout', 'floods', 'tenants', 'takeover', 'reconcile', 'cold', 'programs'].map(name => require(`./parts/${name}.js`));

const args = process.argv.slice(2);
const option = (name, otherwise) => {
  const at = args.indexOf(name);
  return at < 0 ? otherwise : args[at + 1];
};
const only = option('--only', '').split(',').filter(Boolean);
// Is any figure wanted whose name begins with prefix?
const wanted = prefix => only.length === 0 || only.some(o => o.startsWith(prefix) || prefix.startsWith(o));

// Clusters by what they are for, started when the first part asks for them.
class Clusters {
  constructor() {
    this.started = new Map();
  }
  async get(what) {
    if (!this.started.has(what)) {
      this.started.set(what, await {
        plain: () => start({nodes: 3, planes: ''}),
        fresh: () => start({nodes: 3, planes: ''}), // ends with its part
        driving: () => start({nodes: 3, planes: 'development'}),
        etcd: () => etcd.start(3),
      }[what]());
    }
    return this.started.get(what);
  }
  async stop(what) {
    const cluster = this.started.get(what);
    this.started.delete(what);
    if (cluster) await cluster.stop().catch(error => process.stderr.write(`${what}: ${error.message}\n`));
  }
  async stopAll() {
    for (const what of [...this.started.keys()]) await this.stop(what);
  }
}

async function main() {
  const quick = args.includes('--quick');
  const withEtcd = !args.includes('--no-etcd') && etcd.found();
  const report = new Report(JSON.parse(fs.readFileSync(path.join(__dirname, 'baseline.json'))), only);
  const clusters = new Clusters();
  const todo = parts.filter(part => part.figures.some(wanted));
  const bench = {
    quick, report, wanted, rounds: quick ? 1 : 3,
    // The cluster that the part named.
    cluster: part => clusters.get(part.cluster),
    // The peer, or null.
    etcd: () => withEtcd ? clusters.get('etcd') : null,
  };
  report.begin();
  try {
    for (const [i, part] of todo.entries()) {
      const done = await report.timed(part.name, () => part.run(bench));
      if (!done) await clusters.stopAll(); // who knows in what state they are
      const later = what => what !== 'fresh' &&
          todo.slice(i + 1).some(p => p.cluster === what || (what === 'etcd' && p.peer));
      for (const what of ['fresh', 'plain', 'driving', 'etcd']) if (!later(what)) await clusters.stop(what);
    }
  } finally {
    await clusters.stopAll();
    report.end(option('--out', path.join(__dirname, '../build/bench.json')));
  }
  if (Object.keys(report.failures).length) process.exitCode = 1;
}

main().catch(error => { process.stderr.write(`${error.stack}\n`); process.exit(1); });
