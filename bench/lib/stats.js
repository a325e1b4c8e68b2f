// stats.js: numbers out of samples, and samples out of /proc.
'use strict';

const {execFileSync} = require('node:child_process');
const fs = require('node:fs');

const sorted = list => [...list].sort((a, b) => a - b);
const median = list => sorted(list)[Math.floor(list.length / 2)];
const percentile = (list, p) => sorted(list)[Math.min(list.length - 1, Math.floor(list.length * p))];
const sum = list => list.reduce((a, b) => a + b, 0);

// Milliseconds with a fraction, on no particular scale.
const nowMs = () => Number(process.hrtime.bigint()) / 1e6;

const rssMb = pid => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`))[1]) / 1024;

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK']));
// User and system time that the process has had.
function cpuSeconds(pid) {
  const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' '); // from the third on
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

const nodesRss = cluster => cluster.dev.nodes.map(n => rssMb(n.pid));
const nodesCpu = cluster => sum(cluster.dev.nodes.map(n => cpuSeconds(n.pid)));
const planesCpu = cluster => sum(cluster.dev.planes.map(p => cpuSeconds(p.pid)));

module.exports = {median, percentile, sum, nowMs, rssMb, cpuSeconds, nodesRss, nodesCpu, planesCpu};
