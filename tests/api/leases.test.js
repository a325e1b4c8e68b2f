// Leader election over Leases, as client-go's controllers do it: read, update with the version that
// was read, and whoever gets 409 has lost. Two candidates, each at a node of its own.
'use strict';

const {test, before, after} = require('node:test');
const assert = require('node:assert/strict');
const path = require('node:path');
const {start, sleep, until} = require('../lib/cluster.js');

module.paths.push(path.join(__dirname, '../node_modules'));
let k8s, cluster, failed = false;
const namespace = 'default';

before(async () => {
  k8s = await import('@kubernetes/client-node');
  cluster = await start({nodes: 3});
}, {timeout: 90000});
after(async () => assert.equal(await cluster.stop(failed), 0));

const check = (name, run) => test(name, {timeout: 60000}, async () => {
  try { await run(); } catch (error) { failed = true; throw error; }
});

function apiAt(node) {
  const config = new k8s.KubeConfig();
  config.loadFromFile(cluster.dev.kubeconfig);
  config.clusters[0] = {...config.clusters[0], server: cluster.node(node).api};
  return config.makeApiClient(k8s.CoordinationV1Api);
}

// client-go's LeaderElector.tryAcquireOrRenew(), the times as it writes them.
async function tryAcquireOrRenew(api, name, id, durationS) {
  const now = new k8s.V1MicroTime();
  let lease;
  try {
    lease = await api.readNamespacedLease({namespace, name});
  } catch (error) {
    if (error.code !== 404) throw error;
    const spec = {holderIdentity: id, leaseDurationSeconds: durationS, acquireTime: now, renewTime: now, leaseTransitions: 0};
    try {
      await api.createNamespacedLease({namespace, body: {metadata: {name}, spec}});
      return 'created';
    } catch (lost) {
      if (lost.code !== 409) throw lost;
      return 'lost';
    }
  }
  const {spec} = lease;
  const mine = spec.holderIdentity === id;
  const expired = Date.parse(spec.renewTime) + durationS * 1000 < Date.now();
  if (!mine && spec.holderIdentity && !expired) return 'held';
  lease.spec = {...spec, holderIdentity: id, leaseDurationSeconds: durationS, renewTime: now,
    acquireTime: mine ? spec.acquireTime : now,
    leaseTransitions: spec.leaseTransitions + (mine ? 0 : 1)};
  try {
    await api.replaceNamespacedLease({namespace, name, body: lease});
    return mine ? 'renewed' : 'taken';
  } catch (lost) {
    if (lost.code !== 409) throw lost;
    return 'lost';
  }
}

check('one of two candidates leads; the other takes over when it stops renewing', async () => {
  const one = apiAt('node-1'), two = apiAt('node-2');
  const first = await Promise.all([tryAcquireOrRenew(one, 'leader', 'one', 2),
                                   tryAcquireOrRenew(two, 'leader', 'two', 2)]);
  const won = first.indexOf('created');
  assert.deepEqual([...first].sort(), first.includes('lost') ? ['created', 'lost'] : ['created', 'held']);
  const [winner, loser] = won === 0 ? [one, two] : [two, one];
  const [winnerId, loserId] = won === 0 ? ['one', 'two'] : ['two', 'one'];
  for (let i = 0; i < 5; i++) {
    assert.equal(await tryAcquireOrRenew(winner, 'leader', winnerId, 2), 'renewed');
    assert.equal(await tryAcquireOrRenew(loser, 'leader', loserId, 2), 'held');
  }
  await until('the lease runs out', async () => await tryAcquireOrRenew(loser, 'leader', loserId, 2) === 'taken');
  const lease = await winner.readNamespacedLease({namespace, name: 'leader'});
  assert.equal(lease.spec.holderIdentity, loserId);
  assert.equal(lease.spec.leaseTransitions, 1);
});

check('of two that update the same version one is told 409', async () => {
  const one = apiAt('node-1'), two = apiAt('node-3');
  await one.createNamespacedLease({namespace, body: {metadata: {name: 'race'}, spec: {holderIdentity: ''}}});
  for (let round = 0; round < 10; round++) {
    const read = await one.readNamespacedLease({namespace, name: 'race'});
    const outcomes = await Promise.all([[one, 'one'], [two, 'two']].map(async ([api, id]) => {
      const body = {...read, spec: {holderIdentity: id, leaseTransitions: round}};
      return api.replaceNamespacedLease({namespace, name: 'race', body}).then(() => id, error => error.code);
    }));
    assert.equal(outcomes.filter(o => o === 409).length, 1, `round ${round}: ${outcomes}`);
    const now = await two.readNamespacedLease({namespace, name: 'race'});
    assert.equal(now.spec.holderIdentity, outcomes.find(o => o !== 409));
  }
});

check('microseconds come back as they were written', async () => {
  const api = apiAt('node-1');
  const renewTime = new k8s.V1MicroTime('2026-01-02T03:04:05.000Z');
  await api.createNamespacedLease({namespace, body: {metadata: {name: 'exact'}, spec: {renewTime}}});
  const {stdout} = await require('node:util').promisify(require('node:child_process').execFile)('curl',
      ['-sS', '--cacert', cluster.dev.ca, '-H', `Authorization: Bearer ${cluster.dev.token}`, '-X', 'PATCH',
       '-H', 'Content-Type: application/merge-patch+json', '-d', '{"spec":{"acquireTime":"2026-01-02T03:04:05.000001Z"}}',
       `${cluster.node('node-2').api}/apis/coordination.k8s.io/v1/namespaces/default/leases/exact`]);
  const {spec} = JSON.parse(stdout);
  assert.equal(spec.renewTime, '2026-01-02T03:04:05.000000Z');
  assert.equal(spec.acquireTime, '2026-01-02T03:04:05.000001Z');
});
