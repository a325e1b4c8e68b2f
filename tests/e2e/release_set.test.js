// Releases of two components that go together, on three nodes and two simulated clusters: all or none
// when they come, when their leader dies on the way, and when one of them is not healthy.
'use strict';

const {test, before, after} = require('node:test');
const assert = require('node:assert/strict');
const {start, until} = require('../lib/cluster.js');
const {platform, object, edge, condition, fails} = require('../lib/platform.js');

const environments = ['staging', 'production'];
const names = ['api', 'web'];
let cluster, failed = false;

before(async () => {
  cluster = await start({nodes: 3, shards: 2, planes: environments.map(e => `${e}:us-west-2`).join(',')});
}, {timeout: 90000});
after(async () => assert.equal(await cluster.stop(failed), 0));

const check = (name, run) => test(name, {timeout: 90000}, async () => {
  try { await run(); } catch (error) { failed = true; throw error; }
});

const {get, apply, on, faults, person} = platform(() => cluster);
const component = (name, image) => object('Component', name, {
  project: 'shop', image, endpoints: [{name: 'http', port: 80}],
});
// The image of each component in an environment, as bound and as it runs there.
const bound = environment => Promise.all(names.map(async name => {
  const all = (await get('releasebindings')).items;
  const b = all.find(o => o.spec.environment === environment && o.spec.owner.componentName === name);
  return b && (await get('release', b.spec.releaseName)).spec.workload.container.image;
}));
async function runs(environment) {
  const items = await on(environment, 'deployments');
  return names.map(name => items.find(d => d.metadata.labels['openchoreo.dev/component'] === name)
      ?.spec.template.spec.containers[0].image);
}

const healthy = (environment, ...images) => until(`${environment} to run ${images}`, async () => {
  const all = (await get('releasebindings')).items.filter(b => b.spec.environment === environment);
  return all.length === names.length && all.every(b => condition(b, 'Ready')?.status === 'True') &&
         (await runs(environment)).join() === images.join();
}, 20000);
const newest = async () => (await get('releasesets')).items
    .sort((a, b) => a.metadata.creationTimestamp < b.metadata.creationTimestamp ? 1 : -1);

check('a platform with two components in staging', async () => {
  await apply(
      ...environments.map(name => ({apiVersion: 'choreo.dev/v1', kind: 'DataPlane', metadata: {name}, spec: {type: 'single-cluster'}})),
      ...environments.map(name => object('Environment', name, {dataPlane: name})),
      object('DeploymentPipeline', 'two', {promotionPaths: [
        {sourceEnvironmentRef: {name: 'staging'}, targetEnvironmentRefs: [{name: 'production', requiredTests: ['smoke']}]}]}),
      object('Project', 'shop', {deploymentPipeline: 'two'}),
      ...names.map(name => component(name, `${name}:1`)));
  await healthy('staging', 'api:1', 'web:1');
});

const passed = name => get('component', name).then(c => apply({
  apiVersion: 'choreo.dev/v1', kind: 'TestResult', metadata: {name: `smoke-${c.status.latestRelease.name}`, namespace: 'default'},
  spec: {component: name, release: c.status.latestRelease.name, environment: 'staging', test: 'smoke', passed: true},
}));

check('until the gates of all are open, no binding is touched; then all go, though the leader dies', async () => {
  await fails(cluster.choreo('promote', 'web', '--project', 'shop', '--to', 'production', '-n', 'default'), 2, /no COMPONENT/);
  await fails(cluster.choreo('promote', '--project', 'shop', '--to', 'staging', '-n', 'default'), 2, /releases start there/);
  await passed('web');
  await cluster.choreo('promote', '--project', 'shop', '--to', 'production', '--reason', 'the first', '-n', 'default');
  const held = await until('it to wait', async () => {
    const [set] = await newest();
    return condition(set, 'Ready')?.reason === 'Waiting' && set;
  });
  assert.match(condition(held, 'Ready').message, /^1 of 2 may not go to "production" yet.*"api": .*smoke/);
  assert.deepEqual(await bound('production'), [undefined, undefined]);
  const victim = (await cluster.leaders())[1];
  await passed('api');
  await cluster.kill(victim);
  await healthy('production', 'api:1', 'web:1');
  await cluster.restart(victim);
  const set = await until('it to be healthy', async () => {
    const [s] = await newest();
    return s.status.state === 'Healthy' && s;
  }, 20000);
  assert.deepEqual(set.status.members.map(m => m.state), ['Healthy', 'Healthy']);
  const all = (await get('releasebindings')).items.filter(b => b.spec.environment === 'production');
  for (const b of all) {
    assert.equal(b.status.history[0].releaseSet, set.metadata.name);
    assert.equal(b.status.history[0].reason, `release set ${set.metadata.name}: the first`);
  }
  await fails(cluster.choreo('rollback', '--project', 'shop', '-e', 'production', '-n', 'default'), 1, /changed nothing/);
});

check('the spec of a set never changes', async () => {
  const [{metadata: {name}}] = await newest();
  await fails(cluster.choreo('patch', 'releaseset', name, '-n', 'default', '-p', '{"spec":{"environment":"staging"}}'), 1, /immutable/);
});

check('when one is not healthy by its deadline, all go back', async () => {
  await cluster.choreo('patch', 'deploymentpipeline', 'two', '-n', 'default', '-p', '{"spec":{"progressDeadline":"3s"}}');
  await apply(component('api', 'api:2'), component('web', 'web:broken'));
  await healthy('staging', 'api:2', 'web:broken');
  await faults('production', {neverReady: ['*broken*']});
  await Promise.all([passed('api')]);
  await passed('web');
  await fails(cluster.choreo('promote', '--project', 'shop', '--to', 'production', '-n', 'default', '--timeout', '40s', '--wait'), 1, /Failed|deadline/);
  await healthy('production', 'api:1', 'web:1');
  const [set] = await newest();
  assert.equal(set.status.state, 'RolledBack');
  assert.deepEqual(await bound('production'), ['api:1', 'web:1']);
});

check('together forward, and back by hand', async () => {
  await apply(component('web', 'web:2'));
  await healthy('staging', 'api:2', 'web:2');
  await passed('web');
  await cluster.choreo('promote', '--project', 'shop', '--to', 'production', '-n', 'default', '--timeout', '40s', '--wait');
  assert.deepEqual(await runs('production'), ['api:2', 'web:2']);
  await cluster.choreo('rollback', '--project', 'shop', '-e', 'production', '-n', 'default', '--timeout', '40s', '--wait');
  assert.deepEqual(await runs('production'), ['api:1', 'web:1']);
  assert.match(await cluster.choreo('get', 'releasesets', '-n', 'default'), /HEALTHY.*STATE(.|\n)*2\/2 +Healthy/);
});

check('a set that can go nowhere is refused, and one that waits for approvals gets all of them or none', async () => {
  await fails(apply(object('ReleaseSet', 'lost', {project: 'shop', environment: 'production',
    releases: [{component: 'web', release: 'web-ghost'}]})), 1, /spec\.releases\[0\]\.release: there is no release "web-ghost"/);
  await apply(component('api', 'api:3'), component('web', 'web:3'), object('DeploymentPipeline', 'two', {promotionPaths: [
    edge('staging', 'production', {requiresApproval: true, approverGroups: ['release-managers']})]}));
  await healthy('staging', 'api:3', 'web:3');
  await cluster.choreo('promote', '--project', 'shop', '--to', 'production', '-n', 'default');
  const set = await until('it to wait', async () => {
    const [s] = await newest();
    return s.status?.members?.every(m => m.reason === 'AwaitingApproval') && s;
  });
  const [carol, dave] = await Promise.all([person('carol', 'choreo:viewers', 'release-managers'), person('dave', 'choreo:viewers')]);
  const name = `releaseset/${set.metadata.name}`;
  await fails(dave.choreo('approve', name, '-n', 'default'), 4, /none is approved.*api: .*may not approve.*web: .*may not approve/);
  assert.deepEqual((await get('releaseapprovals')).items, []);
  await carol.choreo('approve', name, '-n', 'default', '--wait', '--timeout', '40s');
  assert.deepEqual(await runs('production'), ['api:3', 'web:3']);
  assert.equal((await get('releaseapprovals')).items.length, 2);
  await fails(carol.choreo('approve', name, '-n', 'default'), 1, /waits: it is Healthy/);
});
