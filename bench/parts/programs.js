// programs.js: what one thread does in a second of processor time, by programs of bench/ that need no
// cluster. noop_* is bench/reconcile/noop.c: components planned again when nothing has changed; render_* is
// bench/render/types.c: the built-in types rendered.
'use strict';

const {execFileSync} = require('node:child_process');
const path = require('node:path');
const {bin} = require('../../tests/lib/cluster.js');

function rates(report, program, argument, prefix) {
  const output = execFileSync(path.join(bin, '../bench', program), [argument], {encoding: 'utf8'});
  for (const line of output.trim().split('\n')) {
    const [name, rate] = line.trim().split(/\s+/);
    report.record(`${prefix}_${name.replaceAll('-', '_')}_per_s`, Number(rate), '/s');
  }
}

module.exports = {
  name: 'programs', figures: ['noop_', 'render_'],
  async run({report, quick, wanted}) {
    if (wanted('noop_')) rates(report, 'bench_reconcile_noop', quick ? '500' : '10000', 'noop');
    if (wanted('render_')) rates(report, 'bench_render_types', quick ? '0.5' : '2', 'render');
  },
};
