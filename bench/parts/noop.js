// noop.js: components planned again when nothing has changed, by bench/reconcile/noop.c.
'use strict';

const {execFileSync} = require('node:child_process');
const path = require('node:path');
const {bin} = require('../../tests/lib/cluster.js');

module.exports = {
  name: 'noop', figures: ['noop_'],
  async run({report, quick}) {
    const program = path.join(bin, '../bench/bench_reconcile_noop');
    const output = execFileSync(program, [quick ? '500' : '10000'], {encoding: 'utf8'});
    for (const line of output.trim().split('\n')) {
      const [name, rate] = line.trim().split(/\s+/);
      report.record(`noop_${name}_per_s`, Number(rate), '/s');
    }
  },
};
