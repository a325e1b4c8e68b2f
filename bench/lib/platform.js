// platform.js: the sample platform on a cluster that drives a simulated one, and its Components.
'use strict';

const {execFileSync} = require('node:child_process');
const path = require('node:path');
const {must} = require('./http.js');

const NAMESPACE = 'acme-corp';
const components = `/apis/choreo.dev/v1/namespaces/${NAMESPACE}/components`;

// Once for a cluster: applying again changes nothing.
function applySamples(cluster) {
  execFileSync(path.join(cluster.bin, 'choreo'), ['apply', '-f', path.join(__dirname, '../../deploy/samples'),
    '--config', path.join(cluster.dir, 'choreo.yaml')], {stdio: 'ignore'});
}

const component = name => ({apiVersion: 'choreo.dev/v1', kind: 'Component',
  metadata: {name, labels: {bench: 'yes'}},
  spec: {type: 'service', image: 'nginx:1.27', endpoints: [{name: 'http', port: 80}]}});

// The plane's record of what came to it since a line (plane/record.h): a list of mutations.
async function mutations(plane, since = 0) {
  const all = [];
  for (;;) {
    const r = await must(plane.request('GET', `/plane/mutations?since=${since}`), 200);
    const lines = r.body.toString().split('\n').filter(Boolean).map(line => JSON.parse(line));
    if (lines.length === 0) return all;
    all.push(...lines);
    since = lines.at(-1).seq;
  }
}

// {shard, term} of the leader that sent a mutation.
function epochOf(mutation) {
  const [, , shard, term] = mutation.epoch.split('/').map(Number);
  return {shard, term};
}

// The sum of a counter over the nodes.
async function counter(connections, name) {
  let total = 0;
  for (const http of connections) {
    const text = (await must(http.request('GET', '/metrics'), 200)).body.toString();
    total += Number(new RegExp(`^${name} (\\d+)`, 'm').exec(text)?.[1] || 0);
  }
  return total;
}

module.exports = {NAMESPACE, components, applySamples, component, mutations, epochOf, counter};
