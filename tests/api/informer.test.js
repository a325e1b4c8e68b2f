// @kubernetes/client-node, unmodified: objects, and an informer whose cache must equal the server's
// after the leaders it watched through were handed over and killed.
'use strict';

const {test, before, after} = require('node:test');
const assert = require('node:assert/strict');
const path = require('node:path');
const {start, sleep, until} = require('../lib/cluster.js');

module.paths.push(path.join(__dirname, '../node_modules'));
let k8s, cluster, config, core, failed = false;

before(async () => {
  k8s = await import('@kubernetes/client-node');
  cluster = await start({nodes: 3});
  config = new k8s.KubeConfig();
  config.loadFromFile(cluster.dev.kubeconfig);
  core = config.makeApiClient(k8s.CoreV1Api);
}, {timeout: 90000});
after(async () => assert.equal(await cluster.stop(failed), 0));

const check = (name, run) => test(name, {timeout: 60000}, async () => {
  try { await run(); } catch (error) { failed = true; throw error; }
});
const namespace = 'default';
const configMap = (name, n) => ({metadata: {name}, data: {n: String(n)}});

// A write that is asked again while no leader is there, as any careful client does.
async function insist(write) {
  return until('the write', async () => {
    try {
      return await write();
    } catch (error) {
      if (error.code && error.code < 500 && error.code !== 429) throw error;
      return false;
    }
  });
}

check('objects are created, read, patched, listed and deleted', async () => {
  const created = await core.createNamespacedConfigMap({namespace, body: configMap('plain', 1)});
  assert.ok(created.metadata.uid);
  const read = await core.readNamespacedConfigMap({namespace, name: 'plain'});
  assert.equal(read.metadata.resourceVersion, created.metadata.resourceVersion);
  read.data.n = '2';
  const replaced = await core.replaceNamespacedConfigMap({namespace, name: 'plain', body: read});
  assert.equal(replaced.data.n, '2');
  await assert.rejects(core.replaceNamespacedConfigMap({namespace, name: 'plain', body: read}), e => e.code === 409);
  const list = await core.listNamespacedConfigMap({namespace});
  assert.ok(list.items.some(i => i.metadata.name === 'plain'));
  await core.deleteNamespacedConfigMap({namespace, name: 'plain'});
  await assert.rejects(core.readNamespacedConfigMap({namespace, name: 'plain'}), e => e.code === 404);
});

check('custom objects of choreo.dev go through the generic client', async () => {
  const custom = config.makeApiClient(k8s.CustomObjectsApi);
  const where = {group: 'choreo.dev', version: 'v1', namespace, plural: 'components'};
  await custom.createNamespacedCustomObject({...where, body: {
    apiVersion: 'choreo.dev/v1', kind: 'Component', metadata: {name: 'generic'}, spec: {type: 'worker', image: 'a:1'}}});
  const read = await custom.getNamespacedCustomObject({...where, name: 'generic'});
  assert.equal(read.spec.image, 'a:1');
  await custom.deleteNamespacedCustomObject({...where, name: 'generic'});
});

check('an informer sees every change in order, through leaders that move and die', async () => {
  const seen = [];  // [name, n, version]
  const informer = k8s.makeInformer(config, `/api/v1/namespaces/${namespace}/configmaps`,
      () => core.listNamespacedConfigMap({namespace}));
  const note = o => seen.push([o.metadata.name, Number(o.data?.n), BigInt(o.metadata.resourceVersion)]);
  informer.on('add', note);
  informer.on('update', note);
  let restarts = 0, stopped = false;
  informer.on('error', () => {
    restarts++;
    if (!stopped) setTimeout(() => stopped || informer.start().catch(() => {}), 100);
  });
  await informer.start();

  // The node that the kubeconfig names must live: others lead, and are killed.
  const served = cluster.dev.nodes[0].name;
  const writes = async (from, to) => {
    for (let n = from; n < to; n++) {
      const name = `seen-${n % 5}`;
      if (n < 5) await insist(() => core.createNamespacedConfigMap({namespace, body: configMap(name, n)}));
      else await insist(() => core.patchNamespacedConfigMap({namespace, name, body: {data: {n: String(n)}}},
          k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.MergePatch)));
    }
  };
  await writes(0, 20);
  let n = 20;
  for (let round = 0; round < 4; round++) {
    const leaders = await until('leaders', async () => {
      const l = await cluster.leaders();
      return Object.values(l).every(Boolean) && l;
    });
    const victim = Object.values(leaders).find(name => name !== served);
    if (victim && round % 2 === 1) {
      await cluster.kill(victim);
      await writes(n, n + 20);
      await cluster.restart(victim);
    } else {
      for (const shard of Object.keys(leaders)) {
        const to = cluster.dev.nodes.map(d => d.name).find(name => name !== leaders[shard]);
        await cluster.choreo('cluster', 'transfer', shard, to).catch(() => {});
      }
      await writes(n, n + 20);
    }
    n += 20;
  }
  await until('the last change', () => seen.some(([, value]) => value === n - 1));
  await sleep(300);
  stopped = true;
  await informer.stop();

  for (let name = 0; name < 5; name++) {
    const values = seen.filter(s => s[0] === `seen-${name}`).map(s => s[1]);
    const expected = Array.from({length: n}, (_, i) => i).filter(i => i % 5 === name);
    // After an error an informer lists again, which may skip states but never goes back.
    if (restarts === 0) assert.deepEqual(values, expected);
    assert.ok(values.every((v, i) => i === 0 || v >= values[i - 1]), `seen-${name}: ${values}`);
    assert.equal(values.at(-1), expected.at(-1));
  }
  const versions = new Map();
  for (const [name, , version] of seen) {
    assert.ok(version >= (versions.get(name) ?? 0n), 'a version went back');
    versions.set(name, version);
  }
  const list = await core.listNamespacedConfigMap({namespace});
  const cached = Object.fromEntries(informer.list(namespace).map(o => [o.metadata.name, o.metadata.resourceVersion]));
  for (const item of list.items) assert.equal(cached[item.metadata.name], item.metadata.resourceVersion);
});
