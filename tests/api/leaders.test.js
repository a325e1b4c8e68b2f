// Watches through twenty leader changes, on three nodes, while writers write in namespaces of every
// shard: an informer of @kubernetes/client-node, and a watch over plain HTTP/1.1 that is cut again
// and again and resumes from the last event's version. Both must see every change once, in order.
'use strict';

const {test, before, after} = require('node:test');
const assert = require('node:assert/strict');
const path = require('node:path');
const {start, sleep, until} = require('../lib/cluster.js');
const rest = require('../lib/rest.js');

module.paths.push(path.join(__dirname, '../node_modules'));

const CHANGES = 20, CUTS = 5;
const NAMESPACES = ['wa', 'wb', 'wc', 'wd', 'we', 'wf', 'wg', 'wh'];  // of all shards but the system's
const NAMES = ['one', 'two', 'three'];

let cluster, apis, failed = false;
const written = [];  // every acknowledged write: {key, version, what}
const informed = [];  // what the informer said
const streamed = [];  // what the plain watches said
let informer, informerErrors = 0, listed, cuts = 0;

const keyOf = object => `${object.metadata.namespace}/${object.metadata.name}`;
const versionOf = object => BigInt(object.metadata.resourceVersion);
const ours = object => NAMESPACES.includes(object.metadata.namespace) && NAMES.includes(object.metadata.name);

// ---- writers ----

// Asked again until the outcome is known; an answer of another kind is the caller's affair.
async function insist(n, method, target, options) {
  return until(`${method} ${target}`, async () => {
    const {status, json} = await apis[n % apis.length].ask(method, target, options).catch(() => ({status: 0}));
    return status >= 200 && status < 500 && status !== 429 && {status, json};
  }, 30000);
}

// One namespace's: each object is created, changed some times, deleted, created again.
async function write(ns, running) {
  const base = `/api/v1/namespaces/${ns}/configmaps`;
  const n = NAMESPACES.indexOf(ns);
  for (let round = 0; running(); round++) {
    for (const name of NAMES) {
      const key = `${ns}/${name}`;
      const note = (what, {status, json}) => {
        assert.ok(status < 300, `${what} ${key}: ${status} ${json.message}`);
        written.push({key, what, version: versionOf(json)});
      };
      const body = {metadata: {name}, data: {round: String(round)}};
      // What was done though its answer was lost is found out, with the version that it made.
      let answer = await insist(n, 'POST', base, {body});
      if (answer.status === 409) answer = await insist(n, 'GET', `${base}/${name}`);
      note('ADDED', answer);
      for (let change = 1; change <= 3; change++) {
        note('MODIFIED', await insist(n + change, 'PATCH', `${base}/${name}`,
            {type: 'application/merge-patch+json', body: {data: {change: String(change)}}}));
      }
      answer = await insist(n, 'DELETE', `${base}/${name}`);
      assert.ok(answer.status === 200 || answer.status === 404);
      written.push({key, what: 'DELETED'});
      await sleep(5);
    }
  }
  for (const name of NAMES) {
    const answer = await insist(n, 'POST', base, {body: {metadata: {name}, data: {last: 'yes'}}});
    const made = answer.status === 409 ? await insist(n, 'GET', `${base}/${name}`) : answer;
    written.push({key: `${ns}/${name}`, what: 'ADDED', version: versionOf(made.json)});
  }
}

// ---- watchers ----

// A watch of all namespaces that never lasts: its own timeout, or a cut in the middle.
async function watchInPieces(from, running) {
  let version = from;
  for (let piece = 0; running(); piece++) {
    const api = apis[piece % apis.length];
    const stream = api.watch(`/api/v1/configmaps?watch=1&timeoutSeconds=3&resourceVersion=${version}`, event => {
      assert.ok(['ADDED', 'MODIFIED', 'DELETED'].includes(event.type), JSON.stringify(event));
      streamed.push({type: event.type, key: keyOf(event.object), version: versionOf(event.object), ours: ours(event.object)});
      version = event.object.metadata.resourceVersion;
    });
    if (piece % 2) setTimeout(stream.cut, 700);
    const end = await stream.ended;
    assert.ok([0, 200, 503, 504].includes(end.status), `watch: ${end.status}`);
    if (end.status !== 200) await sleep(100);
    cuts++;
  }
}

async function inform() {
  const k8s = await import('@kubernetes/client-node');
  const config = new k8s.KubeConfig();
  config.loadFromFile(cluster.dev.kubeconfig);
  const core = config.makeApiClient(k8s.CoreV1Api);
  informer = k8s.makeInformer(config, '/api/v1/configmaps', () => core.listConfigMapForAllNamespaces());
  for (const [verb, type] of [['add', 'ADDED'], ['update', 'MODIFIED'], ['delete', 'DELETED']]) {
    informer.on(verb, o => ours(o) && informed.push({type, key: keyOf(o), version: versionOf(o)}));
  }
  informer.on('error', () => {
    informerErrors++;
    setTimeout(() => informer.stopped || informer.start(), 100);
  });
  await informer.start();
}

// ---- leaders ----

async function leaders() {
  return until('a leader of every shard', async () => {
    const l = await cluster.leaders();
    return Object.values(l).every(Boolean) && l;
  });
}

async function changeLeaders() {
  let changes = 0;
  for (let turn = 0; changes < CHANGES || cuts <= CUTS; turn++) {
    assert.ok(turn < 3 * CHANGES, `only ${changes} leaders changed, and ${cuts} watches were cut`);
    const now = await leaders();
    const shard = String(turn % Object.keys(now).length);
    const names = cluster.dev.nodes.map(d => d.name);
    const to = names[(names.indexOf(now[shard]) + 1) % names.length];
    await cluster.choreo('cluster', 'transfer', shard, to).catch(() => {});
    const changed = await until('another leader', async () => (await cluster.leaders())[shard] === to, 5000)
        .catch(() => false);
    changes += changed ? 1 : 0;
    await sleep(150);
  }
}

before(async () => {
  cluster = await start({nodes: 3});
  apis = cluster.dev.nodes.map(n => rest.client({url: n.api, ca: cluster.ca, token: cluster.dev.token}));
  for (const name of NAMESPACES) {
    const {status} = await insist(0, 'POST', '/api/v1/namespaces', {body: {metadata: {name}}});
    assert.equal(status, 201);
  }
  listed = (await insist(0, 'GET', '/api/v1/configmaps')).json.metadata.resourceVersion;
  await inform();
  let changing = true, watching = true;
  const pieces = watchInPieces(listed, () => watching);
  const writers = NAMESPACES.map(ns => write(ns, () => changing));
  await changeLeaders();
  changing = false;
  await Promise.all(writers);
  const last = written.reduce((most, w) => w.version > most ? w.version : most, 0n);
  await until('the watches to see the last write', () =>
      informed.some(e => e.version >= last) && streamed.some(e => e.version >= last), 30000);
  watching = false;
  await pieces;
  await informer.stop();
}, {timeout: 150000});
after(async () => {
  apis?.forEach(api => api.close());
  assert.equal(await cluster?.stop(failed), 0);
});

const check = (name, run) => test(name, async t => {
  try { await run(t); } catch (error) { failed = true; throw error; }
});

// Each object's acknowledged writes, against the events about it.
function compare(events) {
  const keys = new Set(written.map(w => w.key));
  assert.equal(keys.size, NAMESPACES.length * NAMES.length);
  for (const key of keys) {
    const expected = written.filter(w => w.key === key);
    const seen = events.filter(e => e.key === key);
    assert.deepEqual(seen.map(e => e.type), expected.map(w => w.what), key);
    expected.forEach((w, i) => w.version !== undefined && assert.equal(seen[i].version, w.version, `${key}, ${i}`));
    seen.forEach((e, i) => assert.ok(i === 0 || e.version > seen[i - 1].version, `${key} goes back`));
  }
}

check('there was something to see', t => {
  t.diagnostic(`${written.length} writes, ${cuts} cuts, ${informerErrors} errors of the informer`);
  assert.ok(written.length > 500, `${written.length} writes`);
  assert.ok(cuts > CUTS, `${cuts} cuts`);
});

check('an informer sees every change once, in order', () => compare(informed));

check("an informer's cache ends equal to the server's list", async () => {
  const {json} = await insist(1, 'GET', '/api/v1/configmaps');
  const byKey = objects => Object.fromEntries(objects.map(o => [keyOf(o), o.metadata.resourceVersion]).sort());
  assert.deepEqual(byKey(informer.list()), byKey(json.items));
});

check('a watch that is cut and resumed misses and repeats nothing', () => compare(streamed.filter(e => e.ours)));

check('a watch over all shards goes in the order of versions', () => {
  streamed.forEach((e, i) => assert.ok(i === 0 || e.version > streamed[i - 1].version,
      `${e.key} ${e.version} after ${streamed[i - 1]?.version}`));
});
