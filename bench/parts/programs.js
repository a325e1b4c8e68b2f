// programs.js: what one thread does in a second of processor time, by programs of bench/ that need no
// cluster, on the heap of the servers. noop_* is bench/reconcile/noop.c: components planned again when
// nothing has changed, and noop_resync_* all of them once by a new leader; render_* is
// bench/render/types.c: the built-in types rendered.
'use strict';

const {execFileSync} = require('node:child_process');
const path = require('node:path');
const {bin} = require('../../tests/lib/cluster.js');

function rates(report, program, argument, prefix) {
  const output = execFileSync(path.join(bin, '../bench', program), [argument], {encoding: 'utf8'});
  for (const line of output.trim().split('\n')) {
    const [name, value] = line.trim().split(/\s+/);
    const figure = `${prefix}_${name.replaceAll('-', '_')}`;
    if (figure.endsWith('_ms')) report.record(figure, Number(value), 'ms');
    else report.record(`${figure}_per_s`, Number(value), '/s');
  }
}

module.exports = {
  name: 'programs', figures: ['noop_', 'render_'],
  async run({report, quick, wanted}) {
    if (wanted('noop_')) rates(report, 'bench_reconcile_noop', quick ? '500' : '10000', 'noop');
    if (wanted('render_')) rates(report, 'bench_render_types', quick ? '0.5' : '2', 'render');
  },
};
