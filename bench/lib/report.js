// report.js: figures as they come, as a table and as JSON.
//
// A figure is a value with a unit, perhaps with a peer's beside it. Whether small or great is better
// follows from its name: what ends in _ms, _mb, _kb or _us should be small.
'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const {median, percentile} = require('./stats.js');

const round = value => Math.round(value * 100) / 100;
const loads = () => os.loadavg().map(round);

class Report {
  constructor(baseline, only) {
    this.baseline = baseline;
    this.only = only;
    this.results = {};
    this.seconds = {};
    this.failures = {};
    this.began = Date.now();
  }

  begin() {
    this.before = loads();
    console.log(`load average before: ${this.before.join(' ')}; ${os.cpus().length} cores (${os.cpus()[0].model})`);
    console.log(`${'figure'.padEnd(28)} ${'choreod'.padStart(10)} ${''.padEnd(6)}` +
                ` ${'etcd'.padStart(9)} ${'better'.padStart(8)} ${'apiserver'.padStart(9)} ${'better'.padStart(8)}`);
  }

  // etcd: the peer's figure of this run, if it was measured.
  record(name, value, unit, etcd) {
    if (this.only.length && !this.only.some(o => name.startsWith(o))) return;
    const small = /_(ms|mb|kb|us)$/.test(name);
    const better = peer => peer === undefined ? '' : `${(small ? peer / value : value / peer).toFixed(1)}x`;
    const apiserver = this.baseline.figures[name];
    const figure = {value: round(value), unit};
    if (etcd !== undefined) Object.assign(figure, {etcd: round(etcd), times_etcd: better(etcd)});
    if (apiserver !== undefined) Object.assign(figure, {apiserver, times_apiserver: better(apiserver)});
    this.results[name] = figure;
    const cell = peer => String(peer === undefined ? '-' : round(peer)).padStart(9);
    console.log(`${name.padEnd(28)} ${String(figure.value).padStart(10)} ${unit.padEnd(6)}` +
                ` ${cell(etcd)} ${better(etcd).padStart(8)} ${cell(apiserver)} ${better(apiserver).padStart(8)}`);
  }

  // Medians of rounds, ours and perhaps the peer's.
  rate(name, ours, etcd = []) {
    this.record(name, median(ours), '/s', etcd.length ? median(etcd) : undefined);
  }

  // name_p50_ms, name_p99_ms and, if few samples make a p99 doubtful, name_max_ms.
  latency(name, ours, etcd = [], {max = false} = {}) {
    for (const p of [50, 99]) {
      this.record(`${name}_p${p}_ms`, percentile(ours, p / 100), 'ms',
          etcd.length ? percentile(etcd, p / 100) : undefined);
    }
    if (max) this.record(`${name}_max_ms`, Math.max(...ours), 'ms', etcd.length ? Math.max(...etcd) : undefined);
  }

  // Runs a part. One that fails is told, here and in the JSON, and does not take the others with it:
  // nobody may be there to begin anew. False: it failed.
  async timed(part, run) {
    const began = Date.now();
    try {
      await run();
    } catch (error) {
      this.failures[part] = error.message;
      process.stderr.write(`${part} failed: ${error.stack}\n`);
    }
    this.seconds[part] = (Date.now() - began) / 1000;
    return !(part in this.failures);
  }

  end(file) {
    const after = loads();
    const minutes = (Date.now() - this.began) / 60000;
    console.log(`load average after: ${after.join(' ')}; took ${minutes.toFixed(1)} minutes`);
    fs.mkdirSync(path.dirname(file), {recursive: true});
    fs.writeFileSync(file, JSON.stringify({
      when: new Date(this.began).toISOString(), cores: os.cpus().length, cpu: os.cpus()[0].model,
      load_before: this.before, load_after: after, seconds: this.seconds, failures: this.failures,
      peers: {etcd: 'three members on this machine, in this run, in turn with us', apiserver: this.baseline.what},
      results: this.results,
    }, null, 2) + '\n');
    process.stderr.write(`written to ${file}\n`);
  }
}

module.exports = {Report};
