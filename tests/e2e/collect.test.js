// The garbage collector as people meet it: the three policies by kubectl, REST and choreo, owners in
// other shards, custom kinds, namespaces that end, and a leader that dies in the middle.
'use strict';

const {test, before, after} = require('node:test');
const assert = require('node:assert/strict');
const {spawn} = require('node:child_process');
const {start, until, sleep} = require('../lib/cluster.js');

let cluster, failed = false;

before(async () => { cluster = await start({nodes: 3}); }, {timeout: 90000});
after(async () => assert.equal(await cluster.stop(failed), 0));

const check = (name, run) => test(name, {timeout: 90000}, async () => {
  try { await run(); } catch (error) { failed = true; throw error; }
});

// kubectl, with objects on its stdin; what it says on stdout. Rejects with what it says on stderr.
function kubectl(words, input = '') {
  return new Promise((resolve, reject) => {
    const child = spawn('kubectl', ['--kubeconfig', cluster.dev.kubeconfig, ...words], {timeout: 60000});
    let out = '', err = '';
    child.stdout.on('data', data => { out += data; });
    child.stderr.on('data', data => { err += data; });
    child.once('exit', code => (code === 0 ? resolve(out) : reject(new Error(err || `kubectl ended: ${code}`))));
    child.stdin.end(input);
  });
}
const get = async (...words) => JSON.parse(await kubectl(['get', ...words, '-o', 'json']));
const create = async (...objects) => {
  for (const object of objects) {
    await kubectl(['create', '-f', '-'], JSON.stringify(object));
  }
};

const ref = (owner, blockOwnerDeletion = true) => ({
  apiVersion: owner.apiVersion, kind: owner.kind, name: owner.metadata.name, uid: owner.metadata.uid,
  blockOwnerDeletion,
});
const map = (namespace, name, owners = [], more = {}) => ({
  apiVersion: 'v1', kind: 'ConfigMap',
  metadata: {name, namespace, ownerReferences: owners.map(o => ref(o)), ...more},
});
// A chain a <- b <- c in the namespace; the objects as they are.
async function chain(ns, more = {}) {
  await create(map(ns, 'a'));
  const a = await get('cm', 'a', '-n', ns);
  await create(map(ns, 'b', [a]));
  const b = await get('cm', 'b', '-n', ns);
  await create(map(ns, 'c', [b], more));
  return {a, b, c: await get('cm', 'c', '-n', ns)};
}
const names = async ns =>
  (await get('cm', '-n', ns)).items.map(o => o.metadata.name).filter(n => n !== 'kube-root-ca.crt').join(' ');
const becomes = (ns, want) => until(`"${want}" in ${ns}`, async () => (await names(ns)) === want);

check('namespaces, and a cluster-scoped kind', async () => {
  for (const ns of ['acme', 'birch', 'cedar', 'delta']) await kubectl(['create', 'namespace', ns]);
  await create({
    apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: {name: 'tops.test.dev'},
    spec: {
      group: 'test.dev', scope: 'Cluster', names: {plural: 'tops', kind: 'Top'},
      versions: [{name: 'v1', served: true, storage: true,
                  schema: {openAPIV3Schema: {type: 'object', 'x-kubernetes-preserve-unknown-fields': true}}}],
    },
  });
  await kubectl(['wait', '--for=condition=Established', 'crd/tops.test.dev', '--timeout=10s']);
});

check('background: the default', async () => {
  await chain('acme');
  await kubectl(['delete', 'cm', 'a', '-n', 'acme']);
  await becomes('acme', '');
});

check('foreground: what holds it can be seen, the leaves go first', async () => {
  await chain('acme', {finalizers: ['test.dev/hold']});
  await kubectl(['delete', 'cm', 'a', '-n', 'acme', '--cascade=foreground', '--wait=false']);
  await until('all three to be on their way', async () => {
    const maps = await get('cm', 'a', 'b', 'c', '-n', 'acme');
    return maps.items.every(o => o.metadata.deletionTimestamp);
  });
  const held = await get('cm', 'a', '-n', 'acme');
  assert.deepEqual(held.metadata.finalizers, ['foregroundDeletion']);
  await kubectl(['patch', 'cm', 'c', '-n', 'acme', '--type=merge', '-p', '{"metadata":{"finalizers":null}}']);
  await kubectl(['wait', '--for=delete', 'cm/a', '-n', 'acme', '--timeout=15s']);
  assert.equal(await names('acme'), '');
});

check('orphan: what it owned stays, and is nobody\'s', async () => {
  await chain('acme');
  await kubectl(['delete', 'cm', 'a', '-n', 'acme', '--cascade=orphan']);
  await becomes('acme', 'b c');
  await sleep(500);
  const b = await get('cm', 'b', '-n', 'acme');
  assert.equal(b.metadata.ownerReferences, undefined);
  await kubectl(['delete', '--raw', '/api/v1/namespaces/acme/configmaps/b?orphanDependents=true']);
  await becomes('acme', 'c');
  await kubectl(['delete', 'cm', 'c', '-n', 'acme']);
});

check('choreo delete --cascade, over gRPC', async () => {
  await chain('acme');
  await cluster.choreo('delete', 'cm', 'a', '-n', 'acme', '--cascade', 'orphan');
  await becomes('acme', 'b c');
  await cluster.choreo('delete', 'cm', 'b', '-n', 'acme', '--cascade', 'foreground', '--wait');
  assert.equal(await names('acme'), '');
});

check('refusals', async () => {
  await create(map('acme', 'a'));
  const path = '/api/v1/namespaces/acme/configmaps/a';
  await assert.rejects(kubectl(['delete', '--raw', `${path}?propagationPolicy=Sideways`]),
      /propagationPolicy: Unsupported value: "Sideways"/);
  await assert.rejects(kubectl(['delete', '--raw', `${path}?propagationPolicy=Orphan&orphanDependents=false`]),
      /cannot be both set/);
  const options = {kind: 'DeleteOptions', apiVersion: 'v1', propagationPolicy: 'Foreground',
                   preconditions: {uid: 'another'}};
  await assert.rejects(kubectl(['delete', '--raw', path, '-f', '-'], JSON.stringify(options)),
      /Conflict.*UID in precondition: another/);
  assert.equal(await names('acme'), 'a');
  await kubectl(['delete', 'cm', 'a', '-n', 'acme']);
});

for (const policy of ['background', 'foreground', 'orphan']) {
  check(`an owner of all namespaces, ${policy}`, async () => {
    await create({apiVersion: 'test.dev/v1', kind: 'Top', metadata: {name: 'top'}});
    const top = await get('top', 'top');
    for (const ns of ['acme', 'birch', 'cedar', 'delta']) await create(map(ns, 'a', [top]));
    await kubectl(['delete', 'top', 'top', `--cascade=${policy}`, '--wait']);
    const left = policy === 'orphan' ? 'a' : '';
    for (const ns of ['acme', 'birch', 'cedar', 'delta']) await becomes(ns, left);
    await sleep(300);
    for (const ns of ['acme', 'birch', 'cedar', 'delta']) {
      assert.equal(await names(ns), left);
      await kubectl(['delete', 'cm', '--all', '-n', ns]);
    }
  });
}

check('a Namespace owns objects elsewhere; one of them was born too late', async () => {
  await kubectl(['create', 'namespace', 'ember']);
  const ember = await get('namespace', 'ember');
  const system = await get('namespace', 'choreo-system');
  await create(map('acme', 'a', [ember]), map('acme', 's', [system]));
  await sleep(500);
  assert.equal(await names('acme'), 'a s');
  await kubectl(['delete', 'namespace', 'ember', '--wait']);
  await becomes('acme', 's');
  await create(map('acme', 'late', [ember]));
  await becomes('acme', 's');
  await kubectl(['delete', 'cm', 's', '-n', 'acme']);
});

check('an Event owns by either of its names', async () => {
  await create({
    apiVersion: 'v1', kind: 'Event', metadata: {name: 'e', namespace: 'acme'}, reason: 'Tested', type: 'Normal',
    involvedObject: {apiVersion: 'v1', kind: 'ConfigMap', namespace: 'acme', name: 'kube-root-ca.crt'},
  });
  const event = await get('events', 'e', '-n', 'acme');
  await create(map('acme', 'core', [event]), map('acme', 'newer', [{...event, apiVersion: 'events.k8s.io/v1'}]));
  await sleep(500);
  assert.equal(await names('acme'), 'core newer');
  await kubectl(['delete', 'events', 'e', '-n', 'acme']);
  await becomes('acme', '');
});

check('a definition goes, and what its objects own with them', async () => {
  await create({apiVersion: 'test.dev/v1', kind: 'Top', metadata: {name: 'top'}});
  await create(map('birch', 'a', [await get('top', 'top')]));
  await kubectl(['delete', 'crd', 'tops.test.dev', '--wait']);
  await becomes('birch', '');
});

check('a namespace ends with what waits in it', async () => {
  await chain('delta', {finalizers: ['test.dev/hold']});
  await kubectl(['delete', 'cm', 'a', '-n', 'delta', '--cascade=foreground', '--wait=false']);
  await create(map('delta', 'o', [], {finalizers: ['orphan']}));
  await kubectl(['delete', 'namespace', 'delta', '--wait=false']);
  await becomes('delta', 'a b c');
  assert.equal((await get('namespace', 'delta')).status.phase, 'Terminating');
  await kubectl(['patch', 'cm', 'c', '-n', 'delta', '--type=merge', '-p', '{"metadata":{"finalizers":null}}']);
  await kubectl(['wait', '--for=delete', 'namespace/delta', '--timeout=30s']);
});

check('leaders die while an owner\'s many dependents go', async () => {
  const many = 120;
  await create(map('cedar', 'a'));
  const a = await get('cm', 'a', '-n', 'cedar');
  const list = {apiVersion: 'v1', kind: 'List', items: [map('cedar', 'stays')]};
  for (let i = 0; i < many; i++) list.items.push(map('cedar', `d-${i}`, [a]));
  await kubectl(['create', '-f', '-'], JSON.stringify(list));
  await kubectl(['delete', 'cm', 'a', '-n', 'cedar', '--cascade=foreground', '--wait=false']);
  const leaders = await cluster.leaders();
  // The API is asked of one that lives: the node that kubectl talks to stays.
  const home = cluster.dev.nodes.find(n => cluster.dev.url?.includes(n.api?.split(':').pop()))?.name ?? 'node-1';
  const victim = Object.values(leaders).find(n => n !== home) ?? 'node-2';
  await cluster.kill(victim);
  await becomes('cedar', 'stays');
  await cluster.restart(victim);
});
