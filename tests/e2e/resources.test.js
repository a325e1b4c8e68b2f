// Databases that components name, on three nodes and two simulated clusters: made, told to the
// component, kept through the deaths of leaders, promoted, retained, and gone in the end.
'use strict';

const {test, before, after} = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const {start, until} = require('../lib/cluster.js');
const {platform, object, edge, condition} = require('../lib/platform.js');

let cluster, failed = false, password;

before(async () => {
  // Two shards: all of the tenant is in the second, whose leader is the one that matters.
  cluster = await start({nodes: 3, shards: 2, planes: 'development:us-west-2,production:eu-west-1'});
}, {timeout: 90000});
after(async () => assert.equal(await cluster.stop(failed), 0));

const check = (name, run) => test(name, {timeout: 90000}, async () => {
  try { await run(); } catch (error) { failed = true; throw error; }
});

const {get, absent, apply, on, person} = platform(() => cluster);
const credentials = async plane =>
  (await on(plane, 'secrets')).find(s => s.data?.uri && s.metadata.name.startsWith('shop-database'));
const decoded = (secret, key) => Buffer.from(secret.data[key], 'base64').toString();
const environment = deployment =>
  Object.fromEntries(deployment.spec.template.spec.containers[0].env.map(({name, ...rest}) => [name, rest]));

const component = (name, more = {}) => ({
  apiVersion: 'choreo.dev/v1', kind: 'Component', metadata: {name, namespace: 'default'},
  spec: {project: 'shop', type: 'service', image: 'nginx:1.27', endpoints: [{name: 'api', port: 8080}], ...more},
});
const user = component('user-service', {
  dependencies: [{name: 'database', type: 'postgres'}, {name: 'redis', type: 'redis'}],
});

check('a component that names a database and a cache becomes ready with them', async () => {
  await apply(
      {apiVersion: 'choreo.dev/v1', kind: 'DataPlane', metadata: {name: 'development'}, spec: {type: 'single-cluster'}},
      {apiVersion: 'choreo.dev/v1', kind: 'DataPlane', spec: {type: 'single-cluster'},
       metadata: {name: 'production', annotations: {'choreo.dev/postgres-provider': 'cloudnative-pg'}}},
      {apiVersion: 'choreo.dev/v1', kind: 'Environment', metadata: {name: 'development', namespace: 'default'},
       spec: {dataPlane: 'development'}},
      {apiVersion: 'choreo.dev/v1', kind: 'Environment', metadata: {name: 'production', namespace: 'default'},
       spec: {dataPlane: 'production', isProduction: true}},
      {apiVersion: 'choreo.dev/v1', kind: 'DeploymentPipeline', metadata: {name: 'straight', namespace: 'default'},
       spec: {promotionPaths: [{sourceEnvironmentRef: {name: 'development'},
                                targetEnvironmentRefs: [{name: 'production'}]}]}},
      {apiVersion: 'choreo.dev/v1', kind: 'Project', metadata: {name: 'shop', namespace: 'default'},
       spec: {deploymentPipeline: 'straight'}});
  await apply(user);
  const victim = (await cluster.leaders())[1]; // before all of it is done
  await cluster.kill(victim);
  await cluster.restart(victim);
  await until('it to be ready', async () => condition(await get('component', 'user-service'), 'Ready')?.status === 'True', 40000);
  const env = environment(await on('development', 'deployments', 'user-service'));
  assert.match(env.DATABASE_HOST.value, /^shop-database-development-\w+\.dp-default-shop-development-\w+\.svc\.cluster\.local$/);
  assert.equal(env.DATABASE_PORT.value, '5432');
  assert.equal(env.DATABASE_USERNAME.value, 'app');
  assert.equal(env.DATABASE_PASSWORD.valueFrom.secretKeyRef.key, 'password');
  assert.deepEqual(env.DATABASE_URL, env.DATABASE_URI);
  assert.equal(env.REDIS_PORT.value, '6379');
  assert.equal(condition(await get('releasebinding', 'user-service-development'), 'DependenciesReady').status, 'True');
  assert.equal(condition(await get('resource', 'shop-database'), 'Ready').status, 'True');
});

check('its password is the one on the cluster, and nowhere else to be read', async () => {
  const secret = await credentials('development');
  assert.match(decoded(secret, 'uri'), /^postgresql:\/\/app:[A-Za-z0-9]{32}@shop-database-development-/);
  password = decoded(secret, 'password');
  assert.equal(decoded(await get('secret', 'shop-database.development.credentials'), 'password'), password);
  const encoded = Buffer.from(password).toString('base64');
  for (const kind of ['components', 'resources', 'resourcereleases', 'resourcereleasebindings', 'releasebindings',
                      'renderedreleases', 'releases', 'events']) {
    const text = await cluster.choreo('get', kind, '-o', 'json');
    assert.ok(!text.includes(password) && !text.includes(encoded), kind);
  }
  for (const name of fs.readdirSync(path.join(cluster.dir, 'log'))) {
    const log = fs.readFileSync(path.join(cluster.dir, 'log', name), 'utf8');
    assert.ok(!log.includes(password) && !log.includes(encoded), name);
  }
});

check('a second component shares it, and two leaders that die do not change it', async () => {
  await apply(component('billing', {dependencies: [{name: 'database', type: 'postgres', env: {uri: 'DSN'}}]}));
  for (let deaths = 0; deaths < 2; deaths++) {
    const victim = (await cluster.leaders())[1];
    await cluster.kill(victim);
    await until('another leader', async () => {
      const leader = await cluster.leaders().then(all => all[1], () => undefined);
      return leader && leader !== victim;
    }, 20000);
    await cluster.restart(victim);
  }
  await until('billing to be ready', async () => condition(await get('component', 'billing'), 'Ready')?.status === 'True', 40000);
  const env = environment(await on('development', 'deployments', 'billing'));
  assert.deepEqual(Object.keys(env), ['DSN']);
  const secret = (await on('development', 'secrets')).find(s => s.metadata.name === env.DSN.valueFrom.secretKeyRef.name);
  assert.equal(decoded(secret, 'password'), password);
  const sets = await on('development', 'statefulsets');
  assert.deepEqual(sets.map(s => s.metadata.labels['openchoreo.dev/resource']).sort(), ['shop-database', 'shop-redis']);
  assert.equal((await get('resource', 'shop-database')).metadata.ownerReferences.length, 2);
});

const claims = async prefix => (await on('development', 'persistentvolumeclaims'))
    .filter(c => c.metadata.name.startsWith(`data-${prefix}`))
    .map(c => `${c.spec.resources.requests.storage} ${c.status.capacity?.storage}`);
const resize = (name, storage) => cluster.choreo('patch', 'resourcereleasebinding', `${name}.development`, '-p',
    JSON.stringify({spec: {resourceTypeEnvironmentConfigs: {storage}}}));

check('its volume grows around its pod, whoever leads, and does not shrink', async () => {
  const pod = () => on('development', 'pods', 'shop-database');
  const set = () => on('development', 'statefulsets', 'shop-database');
  const binding = () => get('resourcereleasebinding', 'shop-database.development');
  const before = {pod: await pod(), set: await set()};
  assert.deepEqual(await claims('shop-database'), ['1Gi 1Gi']);
  await resize('shop-database', {size: '5Gi'});
  const victim = (await cluster.leaders())[1];
  await cluster.kill(victim);
  await cluster.restart(victim);
  await until('the volume to have grown', async () => (await claims('shop-database'))[0] === '5Gi 5Gi', 40000);
  const template = async () => (await set())?.spec.volumeClaimTemplates[0].spec.resources.requests.storage;
  await until('the set to be back', async () => await template() === '5Gi', 20000);
  await until('its pod to be its again', async () =>
    (await pod()).metadata.ownerReferences?.[0].uid === (await set()).metadata.uid);
  assert.equal((await pod()).metadata.uid, before.pod.metadata.uid);
  assert.notEqual((await set()).metadata.uid, before.set.metadata.uid);
  await until('it to be ready', async () => condition(await binding(), 'Ready')?.status === 'True', 20000);

  await resize('shop-database', {size: '6Gi'}); // this time nobody dies
  await until('it to be told', async () =>
    await template() === '6Gi' && condition(await binding(), 'Resizing')?.status === 'False', 30000);
  assert.deepEqual(await claims('shop-database'), ['6Gi 6Gi']);
  assert.equal((await pod()).metadata.uid, before.pod.metadata.uid);

  await resize('shop-database', {size: '2Gi'});
  const refused = await until('it to be refused', async () => {
    const ready = condition(await binding(), 'Ready');
    return ready?.reason === 'ManifestRefused' && ready;
  }, 20000);
  assert.match(refused.message, /a volume does not shrink: "data" is 6Gi, and 2Gi is asked for: set its size back/);
  await resize('shop-database', {size: '6Gi'});
  await until('it to be ready', async () => condition(await binding(), 'Ready')?.status === 'True', 20000);
  assert.deepEqual(await claims('shop-database'), ['6Gi 6Gi']);
});

check('a volume whose class does not let it grow stays, and that is told', async () => {
  const ready = async () => condition(await get('resourcereleasebinding', 'ledger.development'), 'Ready');
  const storageClass = 'fixed-disks';
  await apply(object('ResourceReleaseBinding', 'ledger.development', {
    owner: {projectName: 'shop', resourceName: 'ledger'}, environment: 'development',
    resourceTypeEnvironmentConfigs: {storage: {storageClass}}}));
  await apply(object('Resource', 'ledger', {project: 'shop', type: 'redis'}));
  await until('it to be ready', async () => (await ready())?.status === 'True', 30000);
  await until('its claim to be bound', async () => (await claims('ledger'))[0] === '1Gi 1Gi');
  const before = await on('development', 'statefulsets', 'ledger');
  await resize('ledger', {storageClass, size: '2Gi'});
  const refused = await until('it to be refused', async () => {
    const now = await ready();
    return now?.reason === 'ManifestRefused' && now;
  }, 20000);
  assert.match(refused.message, /volume of claim data-ledger-\S+-0 does not grow from 1Gi to 2Gi .*allowVolumeExpansion/);
  assert.equal((await on('development', 'statefulsets', 'ledger')).metadata.uid, before.metadata.uid);
  await resize('ledger', {storageClass, size: '1Gi'});
  await until('it to be ready', async () => (await ready())?.status === 'True', 20000);
  await cluster.choreo('delete', 'resource', 'ledger', '--wait');
});

check('a component waits for what it depends on, and says for what', async () => {
  await apply(component('web', {dependencies: [{name: 'api', type: 'component', component: 'later'},
                                               {name: 'store', type: 'postgres', resource: 'nowhere'}]}));
  const waiting = await until('it to wait', async () => {
    const binding = await get('releasebinding', 'web-development').catch(() => ({}));
    return condition(binding, 'DependenciesReady')?.status === 'False' && binding;
  });
  assert.equal(condition(waiting, 'DependenciesReady').reason, 'ComponentNotFound');
  assert.match(condition(waiting, 'DependenciesReady').message, /2 of 2 dependencies .*component "later", which is not there/);
  assert.equal(await on('development', 'deployments', 'web'), undefined);
  await apply(component('web', {dependencies: [{name: 'api', type: 'component', component: 'later'}]}), component('later'));
  await until('it to be ready', async () => condition(await get('component', 'web'), 'Ready')?.status === 'True', 30000);
  assert.match(environment(await on('development', 'deployments', 'web')).API_HOST.value, /^later\.dp-default-shop-/);
});

check('promoted, it has databases of its own there, as that plane makes them, which are retained', async () => {
  await cluster.choreo('promote', 'user-service', '--to', 'production', '--wait');
  const binding = await get('resourcereleasebinding', 'shop-database.production');
  assert.equal(binding.spec.retainPolicy, 'Retain');
  const [postgres] = await on('production', 'clusters.postgresql.cnpg.io');
  assert.equal(postgres.spec.bootstrap.initdb.secret.name, (await credentials('production')).metadata.name);
  const env = environment(await on('production', 'deployments', 'user-service'));
  assert.equal(env.DATABASE_HOST.value.split('.')[0], `${postgres.metadata.name}-rw`);
  assert.deepEqual((await on('production', 'statefulsets')).map(s => s.metadata.labels['openchoreo.dev/resource']), ['shop-redis']);
  assert.notEqual(decoded(await credentials('production'), 'password'), password);
});

check('a changed database waits where its pipeline asks for approval, and may go back', async () => {
  const carol = await person('carol', 'choreo:viewers', 'release-managers');
  const name = 'resource/shop-database';
  const there = async environment => (await get('resourcereleasebinding', `shop-database.${environment}`)).status;
  const database = async () => (await on('production', 'clusters.postgresql.cnpg.io'))[0].spec.bootstrap.initdb.database;
  await apply(object('DeploymentPipeline', 'straight', {promotionPaths: [
    edge('development', 'production', {requiresApproval: true, approverGroups: ['release-managers']})]}));
  const before = (await there('development')).releaseName;
  assert.equal((await there('production')).releaseName, before);
  await cluster.choreo('patch', 'resource', 'shop-database', '-p', '{"spec":{"parameters":{"database":"orders"}}}');
  const release = await until('development to have it', async () => {
    const {history, releaseName} = await there('development');
    return releaseName !== before && history[0].release === releaseName && history[0].outcome === 'Healthy' && releaseName;
  }, 20000);

  await cluster.choreo('promote', name, '--to', 'production', '--reason', 'the orders');
  await until('it to wait', async () => {
    const promoted = condition({status: await there('production')}, 'Promoted');
    return promoted?.status === 'False' && promoted.reason === 'AwaitingApproval';
  }, 20000);
  assert.equal((await there('production')).releaseName, before);
  assert.equal(await database(), 'app');

  await carol.choreo('approve', name, '--to', 'production', '--wait', '--timeout', '20s');
  assert.equal((await there('production')).releaseName, release);
  await until('the cluster to have it', async () => await database() === 'orders', 20000);
  const history = JSON.parse(await carol.choreo('history', name, '-e', 'production', '-o', 'json'));
  assert.deepEqual(history.map(h => h.release), [release, before]);
  assert.deepEqual(history[0].approvedBy, ['carol']);
  assert.equal(history[0].reason, 'the orders');

  await cluster.choreo('rollback', name, '-e', 'production', '--wait', '--timeout', '20s');
  assert.equal((await there('production')).releaseName, before);
  await until('the cluster to have the former', async () => await database() === 'app', 20000);
});

check('a resource goes with the last component that names it', async () => {
  const pair = ['first', 'second'];
  await apply(...pair.map(name => component(name, {dependencies: [{name: 'scratch', type: 'nats'}]})));
  for (const name of pair) {
    await until(`${name} to be ready`, async () => condition(await get('component', name), 'Ready')?.status === 'True', 30000);
  }
  await cluster.choreo('delete', 'component', 'first', '--wait');
  assert.ok(await on('development', 'statefulsets', 'shop-scratch'));
  assert.equal((await claims('shop-scratch')).length, 1);
  assert.equal((await get('resource', 'shop-scratch')).metadata.deletionTimestamp, undefined);
  await cluster.choreo('delete', 'component', 'second', '--wait');
  await until('the resource to be gone', () => absent('resource', 'shop-scratch'), 20000);
  assert.equal(await on('development', 'statefulsets', 'shop-scratch'), undefined);
  assert.deepEqual(await claims('shop-scratch'), []); // nothing that the next of that name would be given
  assert.ok(await absent('secret', 'shop-scratch.development.credentials'));
});

check('deleting the project cleans up, but for what is retained, until that may go too', async () => {
  await cluster.choreo('delete', 'project', 'shop');
  await until('development to be clean', async () =>
    !(await on('development', 'namespaces')).some(n => n.metadata.name.startsWith('dp-default-shop')), 40000);
  const held = await until('production to be held', async () => {
    const binding = await get('resourcereleasebinding', 'shop-database.production');
    return condition(binding, 'Ready')?.reason === 'Retained' && binding;
  }, 20000);
  assert.match(condition(held, 'Ready').message, /stays on 1 cluster, data and all/);
  assert.equal((await on('production', 'clusters.postgresql.cnpg.io')).length, 1);
  assert.ok(await absent('secret', 'shop-database.development.credentials'));
  for (const name of ['shop-database', 'shop-redis']) {
    await cluster.choreo('patch', 'resourcereleasebinding', `${name}.production`, '-p', '{"spec":{"retainPolicy":"Delete"}}');
  }
  await until('production to be clean', async () =>
    !(await on('production', 'namespaces')).some(n => n.metadata.name.startsWith('dp-default-shop')), 40000);
  await until('the project to be gone', () => absent('project', 'shop'), 20000);
  assert.deepEqual((await get('resources')).items, []);
  assert.deepEqual((await get('resourcereleases')).items, []);
  assert.ok(await absent('secret', 'shop-database.production.credentials'));
});
