// run.js: what choreod does in a second, on this machine, beside figures of kube-apiserver with etcd.
//
// Every figure is taken through the front door, over TLS, by clients that others wrote (h2load,
// @kubernetes/client-node's transport, gRPC). Rates are medians of rounds; latencies are percentiles
// over all samples. The baseline's figures (baseline.json) were taken on the same kind of machine.
'use strict';

const {execFileSync, spawnSync} = require('node:child_process');
const fs = require('node:fs');
const https = require('node:https');
const os = require('node:os');
const path = require('node:path');
module.paths.push(path.join(__dirname, '../tests/node_modules'));
const {start, sleep, until} = require('../tests/lib/cluster.js');

const args = process.argv.slice(2);
const option = (name, otherwise) => {
  const at = args.indexOf(name);
  return at < 0 ? otherwise : args[at + 1];
};
const quick = args.includes('--quick');
const only = option('--only', '').split(',').filter(Boolean);
const outFile = option('--out', path.join(__dirname, '../build/bench.json'));
const baseline = JSON.parse(fs.readFileSync(path.join(__dirname, 'baseline.json')));
const rounds = quick ? 1 : 3;
const results = {};
const wanted = name => only.length === 0 || only.some(o => name.startsWith(o));

const median = list => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const percentile = (list, p) => {
  const sorted = [...list].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))];
};
const say = text => process.stderr.write(`${text}\n`);

function record(name, value, unit) {
  results[name] = {value: Math.round(value * 100) / 100, unit};
  const peer = baseline[name];
  const smaller = /_ms$|_mb$/.test(name);
  const ratio = peer === undefined ? '' : (smaller ? peer / value : value / peer).toFixed(1) + 'x';
  if (peer !== undefined) Object.assign(results[name], {baseline: peer, times_better: ratio});
  console.log(`${name.padEnd(24)} ${String(results[name].value).padStart(10)} ${unit.padEnd(6)}` +
              ` ${String(peer ?? '-').padStart(8)} ${ratio.padStart(8)}`);
}

// ---- a small HTTPS client that keeps its connection ----

function connection(cluster, node = 0) {
  const agent = new https.Agent({keepAlive: true, ca: cluster.ca, maxSockets: 64});
  const base = new URL(cluster.dev.nodes[node].api);
  const request = (method, where, body, type = 'application/json') => new Promise((resolve, reject) => {
    const r = https.request({agent, host: base.hostname, port: base.port, method, path: where, timeout: 10000,
      headers: {authorization: `Bearer ${cluster.dev.token}`, 'content-type': type}}, response => {
      const chunks = [];
      response.on('data', c => chunks.push(c));
      response.on('end', () => resolve({status: response.statusCode, body: Buffer.concat(chunks)}));
      response.on('error', reject);
    });
    r.on('error', reject);
    r.on('timeout', () => r.destroy(new Error('timeout')));
    r.end(body && JSON.stringify(body));
  });
  return {request, agent, base, close: () => agent.destroy()};
}

// Each part has a namespace of its own, so that none pays for what another left.
const collectionOf = namespace => `/api/v1/namespaces/${namespace}/configmaps`;
const collection = collectionOf('default');
async function ownNamespace(http, name) {
  await must(http.request('POST', '/api/v1/namespaces', {apiVersion: 'v1', kind: 'Namespace', metadata: {name}}), 201);
  return collectionOf(name);
}
const configMap = name => ({apiVersion: 'v1', kind: 'ConfigMap',
  metadata: name ? {name} : {generateName: 'bench-'}, data: {text: 'x'.repeat(800)}});

async function must(promise, ...statuses) {
  const r = await promise;
  if (!statuses.includes(r.status)) throw new Error(`HTTP ${r.status}: ${r.body.toString().slice(0, 300)}`);
  return r;
}

// ---- rates, by h2load ----

function h2load(cluster, count, clients, streams, url, extra = []) {
  const run = spawnSync('h2load', ['-n', String(count), '-c', String(clients), '-m', String(streams),
    '-H', `authorization: Bearer ${cluster.dev.token}`, ...extra, url], {encoding: 'utf8'});
  const rate = /, ([\d.]+) req\/s/.exec(run.stdout);
  const codes = /status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx/.exec(run.stdout);
  if (!rate || !codes) throw new Error(`h2load: ${run.stdout}${run.stderr}`);
  if (Number(codes[1]) !== count) throw new Error(`h2load: ${codes[0]} of ${count}`);
  return Number(rate[1]);
}

async function rates(cluster) {
  const file = path.join(cluster.dir, 'create.json');
  fs.writeFileSync(file, JSON.stringify(configMap()));
  const http = connection(cluster);
  await must(http.request('POST', collection, configMap('one')), 201);
  http.close();
  // Each shape on the node that leads the shard, as a load balancer by latency would find it.
  const leaders = await cluster.leaders();
  const shard = Math.max(...Object.keys(leaders).map(Number));
  const home = cluster.node(leaders[shard]) || cluster.dev.nodes[0];
  const url = home.api + collection;
  const scale = quick ? 0.2 : 1;
  for (const [streams, clients, creates, gets] of
       [[1, 1, 500, 3000], [16, 1, 5000, 20000], [64, 4, 10000, 40000], [256, 4, 10000, 40000]]) {
    const perClient = streams / clients;
    const post = [], get = [];
    for (let i = 0; i < rounds; i++) {
      if (wanted('create')) {
        post.push(h2load(cluster, Math.round(creates * scale), clients, perClient, url,
            ['-H', 'content-type: application/json', '-d', file]));
      }
      if (wanted('get')) get.push(h2load(cluster, Math.round(gets * scale), clients, perClient, `${url}/one`));
    }
    if (post.length) record(`create_${streams}`, median(post), '/s');
    if (get.length) record(`get_${streams}`, median(get), '/s');
  }
}

// ---- lists ----

async function lists(cluster) {
  const http = connection(cluster);
  for (const size of quick ? [1000] : [1000, 10000]) {
    const where = await ownNamespace(http, `list-${size}`);
    let made = 0;
    const worker = async () => {
      while (made < size) {
        made++;
        await must(http.request('POST', where, configMap()), 201);
      }
    };
    await Promise.all(Array.from({length: 32}, worker));
    const times = [];
    for (let i = 0; i < 10; i++) {
      const begin = process.hrtime.bigint();
      const r = await must(http.request('GET', where), 200);
      times.push(Number(process.hrtime.bigint() - begin) / 1e6);
      if (i === 0 && JSON.parse(r.body).items.length !== size) throw new Error('the list is short');
    }
    record(`list_${size}_ms`, median(times), 'ms');
  }
  http.close();
}

// ---- watch latency: POST sent to event received ----

async function watches(cluster) {
  const http = connection(cluster);
  const where = await ownNamespace(http, 'watched');
  const sent = new Map(), latencies = [];
  const watch = https.request({ca: cluster.ca, host: http.base.hostname, port: http.base.port,
    path: `${where}?watch=true`, headers: {authorization: `Bearer ${cluster.dev.token}`}});
  watch.end();
  const response = await new Promise((resolve, reject) => { watch.on('response', resolve); watch.on('error', reject); });
  let text = '';
  response.on('data', data => {
    const now = process.hrtime.bigint();
    text += data;
    const lines = text.split('\n');
    text = lines.pop();
    for (const line of lines) {
      const name = /"name":"(watch-\d+)"/.exec(line)?.[1];
      if (sent.has(name)) latencies.push(Number(now - sent.get(name)) / 1e6);
      sent.delete(name);
    }
  });
  const count = quick ? 60 : 300;
  for (let i = 0; i < count; i++) {
    sent.set(`watch-${i}`, process.hrtime.bigint());
    await must(http.request('POST', where, configMap(`watch-${i}`)), 201);
  }
  await until('the last event', () => sent.size === 0);
  watch.destroy();
  http.close();
  record('watch_p50_ms', percentile(latencies, 0.5), 'ms');
  record('watch_p99_ms', percentile(latencies, 0.99), 'ms');
}

// ---- memory, start ----

const rssMb = pid => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`))[1]) / 1024;
const nodesRss = cluster => cluster.dev.nodes.map(n => rssMb(n.pid));

async function startTimes() {
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
  record('start_ready_ms', median(times), 'ms');
}

// ---- failover ----

async function kills(cluster) {
  const count = quick ? 3 : 20;
  const took = [];
  for (let i = 0; i < count; i++) {
    const leaders = await until('leaders', async () => {
      const l = await cluster.leaders();
      return Object.values(l).every(Boolean) && l;
    });
    const shard = Math.max(...Object.keys(leaders).map(Number));
    const victim = leaders[shard];
    const other = cluster.dev.nodes.findIndex(n => n.name !== victim);
    const http = connection(cluster, other);
    await must(http.request('POST', collection, configMap(`kill-${i}`)), 201);
    const begin = process.hrtime.bigint();
    await cluster.kill(victim);
    for (let tries = 0; ; tries++) {
      try {
        const r = await http.request('POST', collection, configMap(`kill-${i}-${tries}`));
        if (r.status === 201) break;
      } catch { /* asked again */ }
      await sleep(2);
    }
    took.push(Number(process.hrtime.bigint() - begin) / 1e6);
    http.close();
    await sleep(300);
    await cluster.restart(victim);
    await sleep(quick ? 500 : 1500);
  }
  record('leader_kill_p50_ms', percentile(took, 0.5), 'ms');
  record('leader_kill_p99_ms', percentile(took, 0.99), 'ms');
  record('leader_kill_max_ms', Math.max(...took), 'ms');
}

// ---- reconciliation: Components to a simulated cluster ----

async function applies() {
  const cluster = await start({nodes: 3, planes: 'development'});
  const http = connection(cluster);
  try {
    execFileSync(path.join(cluster.bin, 'choreo'), ['apply', '-f', path.join(__dirname, '../deploy/samples'),
      '--config', path.join(cluster.dir, 'choreo.yaml')], {stdio: 'ignore'});
    const count = quick ? 50 : 500;
    const where = '/apis/choreo.dev/v1/namespaces/acme-corp/components';
    let made = 0;
    const begin = Date.now();
    const worker = async () => {
      while (made < count) {
        const n = made++;
        await must(http.request('POST', where, {apiVersion: 'choreo.dev/v1', kind: 'Component',
          metadata: {name: `bench-${n}`, labels: {bench: 'yes'}},
          spec: {type: 'service', image: 'nginx:1.27', endpoints: [{name: 'http', port: 80}]}}), 201);
      }
    };
    await Promise.all(Array.from({length: 16}, worker));
    const plane = cluster.dev.planes[0];
    const token = fs.readFileSync(path.join(path.dirname(plane.kubeconfig), 'token'), 'utf8').trim();
    const planeHttp = connection({...cluster, dev: {nodes: [{api: plane.url}], token}});
    await until('every Deployment', async () => {
      const r = await must(planeHttp.request('GET', '/apis/apps/v1/deployments'), 200);
      return JSON.parse(r.body).items.filter(d => d.metadata.name.startsWith('bench-')).length >= count;
    }, 120000);
    const seconds = (Date.now() - begin) / 1000;
    record('components_live_per_s', count / seconds, '/s');
    planeHttp.close();
  } finally {
    http.close();
    await cluster.stop();
  }
}

async function main() {
  const load = os.loadavg().map(l => l.toFixed(2)).join(' ');
  console.log(`load average before: ${load}; ${os.cpus().length} cores (${os.cpus()[0].model})`);
  console.log(`${'figure'.padEnd(24)} ${'choreod'.padStart(10)} ${''.padEnd(6)} ${'peer'.padStart(8)} ${'better'.padStart(8)}`);
  if (wanted('start')) await startTimes();
  const cluster = await start({nodes: 3, planes: ''});
  try {
    if (wanted('rss')) {
      await sleep(5000);
      const rss = nodesRss(cluster);
      record('rss_empty_mb', Math.max(...rss), 'MB');
      record('rss_empty_three_mb', rss.reduce((a, b) => a + b), 'MB');
    }
    if (wanted('create') || wanted('get')) await rates(cluster);
    if (wanted('list')) await lists(cluster);
    if (wanted('watch')) await watches(cluster);
    if (wanted('rss')) record('rss_loaded_mb', Math.max(...nodesRss(cluster)), 'MB');
    if (wanted('leader')) await kills(cluster);
  } finally {
    await cluster.stop();
  }
  if (wanted('components')) await applies();
  const after = os.loadavg().map(l => l.toFixed(2)).join(' ');
  console.log(`load average after: ${after}`);
  fs.mkdirSync(path.dirname(outFile), {recursive: true});
  fs.writeFileSync(outFile, JSON.stringify({load_before: load, load_after: after, peer: baseline.what, results}, null, 2) + '\n');
  say(`written to ${outFile}`);
}

main().catch(error => { say(error.stack); process.exit(1); });
