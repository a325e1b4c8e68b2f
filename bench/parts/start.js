// start.js: from the program's first line of log to the one that says it serves.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const {start, until} = require('../../tests/lib/cluster.js');
const {median} = require('../lib/stats.js');

module.exports = {
  name: 'start', figures: ['start_ready_ms'],
  async run({report, rounds}) {
    const times = [];
    for (let i = 0; i < rounds; i++) {
      const cluster = await start({nodes: 1, planes: ''});
      const log = await until('the log to say so', () => {
        const text = fs.readFileSync(path.join(cluster.dir, 'log/node-1.log'), 'utf8');
        return text.includes(' node.ready ') && text;
      });
      const at = event => Date.parse(new RegExp(`^(\\S+) \\w+ +${event}`, 'm').exec(log)[1]);
      times.push(at('node.ready') - at('node.start'));
      await cluster.stop();
    }
    report.record('start_ready_ms', median(times), 'ms');
  },
};
